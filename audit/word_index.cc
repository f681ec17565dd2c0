#include "audit/word_index.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <openssl/evp.h>

#include "audit/big_endian.h"
#include "audit/concat.h"
#include "audit/content.h"
#include "audit/digest.h"
#include "audit/varint.h"

namespace weir::audit {
namespace {

// A sealed page that fits into a leaf of the B-tree is read by one access.
constexpr size_t kPageBytes = 3'900;
constexpr int kPlaceBits = 12;
static_assert(kWordPartContents == size_t{1} << kPlaceBits);
constexpr size_t kBitmapBytes = kWordPartContents / 8;
constexpr size_t kBlockBytes = 16;
constexpr std::string_view kGramContext = "weir-word-grams@v1";
constexpr std::string_view kPageContext = "weir-word-pages@v1";

using Places = std::array<uint64_t, kWordPartContents / 64>;

absl::Status Damaged(uint64_t number) {
  return absl::DataLossError(Concat("part ", number,
                                    " of the word index is damaged, or content.key is another: run "
                                    "`weir audit verify`"));
}

struct CipherDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// SHA-256 of a part's row and its pages, in order of their ids.
class PartDigest {
 public:
  explicit PartDigest(const WordPart& part) {
    digest_.Add(Concat(part.number, " ", part.begin, " ", part.end, " ",
                       static_cast<int>(part.suite), "\n"));
  }
  void Add(int64_t id, std::string_view page) {
    digest_.Add(Concat(id, " ", page.size(), "\n"));
    digest_.Add(page);
  }
  std::string Hex() { return digest_.Hex(); }

 private:
  Sha256Digest digest_;
};

// Calls `see` for each token of an opened page and its postings; false when the page is damaged or
// `see` wants no more.
template <class See>
bool WalkPage(std::string_view page, See see) {
  uint64_t token = 0;
  while (!page.empty()) {
    uint64_t delta = 0;
    uint64_t length = 0;
    if (!TakeVarint(page, delta) || !TakeVarint(page, length) || length > page.size()) return false;
    token += delta;
    if (!see(static_cast<WordToken>(token), page.substr(0, length))) return false;
    page.remove_prefix(length);
  }
  return true;
}

// Calls `see` for each place in a list; false when it is damaged.
template <class See>
bool WalkPostings(std::string_view list, See see) {
  if (list.size() == kBitmapBytes) {
    for (uint64_t place = 0; place < kWordPartContents; ++place) {
      if ((static_cast<unsigned char>(list[place / 8]) >> (place % 8) & 1) != 0) see(place);
    }
    return true;
  }
  for (uint64_t next = 0, delta = 0; !list.empty(); ++next) {
    if (!TakeVarint(list, delta) || delta >= kWordPartContents - next) return false;
    next += delta;
    see(next);
  }
  return true;
}

}  // namespace

absl::StatusOr<WordKey> WordKey::Derive(Suite suite, const ContentKey& key_encryption_key) {
  WordKey key;
  key.suite_ = suite;
  const std::string_view given(reinterpret_cast<const char*>(key_encryption_key.data()),
                               key_encryption_key.size());
  for (const auto& [context, into] :
       {std::pair(kGramContext, &key.gram_key_), std::pair(kPageContext, &key.page_key_)}) {
    const std::string derived = Mac(suite, given, context);
    if (derived.size() != into->size()) {
      return absl::InternalError("OpenSSL cannot derive the keys of the word index");
    }
    std::memcpy(into->data(), derived.data(), into->size());
  }
  return key;
}

absl::StatusOr<std::vector<WordToken>> WordKey::Tokens(const std::vector<Gram>& grams) const {
  std::vector<uint64_t> blocks(grams.size() * 2);
  for (size_t i = 0; i < grams.size(); ++i) blocks[2 * i] = grams[i];
  auto* const bytes = reinterpret_cast<unsigned char*>(blocks.data());
  const std::unique_ptr<EVP_CIPHER_CTX, CipherDeleter> context(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* cipher = suite_ == Suite::kSm ? EVP_sm4_ecb() : EVP_aes_256_ecb();
  int length = 0;
  const auto size = static_cast<int>(grams.size() * kBlockBytes);
  if (!context ||
      EVP_EncryptInit_ex(context.get(), cipher, nullptr, gram_key_.data(), nullptr) != 1 ||
      EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1 ||
      EVP_EncryptUpdate(context.get(), bytes, &length, bytes, size) != 1 || length != size) {
    return absl::InternalError("OpenSSL cannot encrypt grams for the word index");
  }
  std::vector<WordToken> tokens(grams.size());
  for (size_t i = 0; i < grams.size(); ++i) {
    tokens[i] = ReadBigEndian<WordToken>(
        {reinterpret_cast<const char*>(bytes) + i * kBlockBytes, kBlockBytes});
  }
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

absl::StatusOr<std::string> WordKey::SealPage(int64_t id, std::string_view page) const {
  return Encrypt(suite_, page_key_, Concat(kPageContext, "/", id), page);
}

absl::StatusOr<std::string> WordKey::OpenPage(int64_t id, std::string_view sealed) const {
  std::optional<std::string> page =
      Decrypt(suite_, page_key_, Concat(kPageContext, "/", id), sealed);
  if (!page) return Damaged(static_cast<uint64_t>(id) >> 20);
  return *std::move(page);
}

absl::StatusOr<std::string> FoldedContentOf(const Statement& row, int column,
                                            const ContentKey& key_encryption_key) {
  const WrappedKey key{.id = row.Int(column),
                       .subject = std::string(row.Bytes(column + 1)),
                       .day = row.Int(column + 2),
                       .floor = static_cast<Floor>(row.Int(column + 3)),
                       .wrapped = std::string(row.Bytes(column + 4))};
  if (key.IsDestroyed()) return absl::NotFoundError("the content was erased");
  absl::StatusOr<std::string> text;
  for (const Suite suite : {Suite::kInternational, Suite::kSm}) {
    text = Unseal(suite, key_encryption_key, key, row.Bytes(column + 5));
    if (text.ok()) return FoldContent(*text);
  }
  return text.status();
}

void WordPartBuilder::Add(uint64_t seq, const std::vector<WordToken>& tokens) {
  for (const WordToken token : tokens) {
    entries_.push_back(uint64_t{token} << kPlaceBits | seqs_.size());
  }
  seqs_.push_back(seq);
}

void WordPartBuilder::Erase(const std::vector<uint64_t>& erased) {
  std::vector<uint64_t> seqs;
  std::vector<uint64_t> places(seqs_.size(), kWordPartContents);
  for (size_t i = 0; i < seqs_.size(); ++i) {
    if (std::binary_search(erased.begin(), erased.end(), seqs_[i])) continue;
    places[i] = seqs.size();
    seqs.push_back(seqs_[i]);
  }
  std::vector<uint64_t> entries;
  for (const uint64_t entry : entries_) {
    const uint64_t place = places[entry & (kWordPartContents - 1)];
    if (place != kWordPartContents) entries.push_back(entry >> kPlaceBits << kPlaceBits | place);
  }
  seqs_ = std::move(seqs);
  entries_ = std::move(entries);
}

absl::StatusOr<std::vector<IndexPage>> WordPartBuilder::Finish(const WordPart& part,
                                                               const WordKey& key) {
  std::sort(entries_.begin(), entries_.end());
  // What the row says of the part stands in the directory again, where it cannot be altered.
  std::string directory;
  for (const uint64_t number : {part.begin, part.end, seqs_.size()}) {
    AppendVarint(number, directory);
  }
  uint64_t next_seq = part.begin;
  for (const uint64_t seq : seqs_) {
    AppendVarint(seq - next_seq, directory);
    next_seq = seq + 1;
  }
  std::vector<std::string> pages;
  std::string postings;
  uint64_t last = 0;
  for (auto begin = entries_.begin(); begin != entries_.end();) {
    const uint64_t token = *begin >> kPlaceBits;
    const auto end = std::find_if(begin, entries_.end(),
                                  [token](uint64_t entry) { return entry >> kPlaceBits != token; });
    postings.clear();
    uint64_t next = 0;
    for (auto entry = begin; entry != end; ++entry) {
      const uint64_t place = *entry & (kWordPartContents - 1);
      AppendVarint(place - next, postings);
      next = place + 1;
    }
    if (postings.size() >= kBitmapBytes) {
      postings.assign(kBitmapBytes, '\0');
      for (auto entry = begin; entry != end; ++entry) {
        const uint64_t place = *entry & (kWordPartContents - 1);
        postings[place / 8] = static_cast<char>(postings[place / 8] | (1 << (place % 8)));
      }
    }
    if (pages.empty() || pages.back().size() + postings.size() + 8 > kPageBytes) {
      AppendBigEndian(static_cast<WordToken>(token), directory);
      pages.emplace_back();
      last = 0;
    }
    AppendVarint(token - last, pages.back());
    AppendVarint(postings.size(), pages.back());
    pages.back() += postings;
    last = token;
    begin = end;
  }
  pages.insert(pages.begin(), std::move(directory));
  std::vector<IndexPage> sealed;
  for (uint64_t i = 0; i < pages.size(); ++i) {
    const int64_t id = IndexPageId(part.number, i);
    absl::StatusOr<std::string> bytes = key.SealPage(id, pages[i]);
    if (!bytes.ok()) return bytes.status();
    sealed.push_back({.id = id, .bytes = *std::move(bytes)});
  }
  return sealed;
}

absl::StatusOr<WordTables> WordTables::Prepare(const Database& db, bool writes) {
  WordTables tables;
  absl::Status status;
  const auto prepare = [&](std::string_view sql, Statement& statement) {
    status.Update(db.Prepare(sql, statement));
  };
  prepare("SELECT coalesce(max(end), 0) FROM word_parts", tables.end_);
  prepare(
      "SELECT * FROM word_parts WHERE end > ?1 AND begin < ?2 ORDER "
      "BY end",
      tables.parts_);
  prepare("SELECT page FROM word_pages WHERE id = ?1", tables.page_);
  if (writes) {
    prepare("INSERT INTO word_parts VALUES(?1, ?2, ?3, ?4, ?5)", tables.insert_part_);
    prepare("INSERT INTO word_pages VALUES(?1, ?2)", tables.insert_page_);
    prepare("DELETE FROM word_parts WHERE number = ?1", tables.delete_part_);
    prepare("DELETE FROM word_pages WHERE id >= ?1 AND id < ?2", tables.delete_pages_);
    prepare("SELECT seq FROM word_erasures ORDER BY seq LIMIT ?1", tables.erased_);
    prepare("DELETE FROM word_erasures WHERE seq >= ?1 AND seq < ?2", tables.forget_);
  }
  if (!status.ok()) return status;
  return tables;
}

absl::StatusOr<uint64_t> WordTables::End() {
  absl::StatusOr<bool> row = end_.Step();
  const uint64_t end = row.ok() && *row ? end_.Uint(0) : 0;
  end_.Reset();
  if (!row.ok()) return row.status();
  return end;
}

absl::StatusOr<std::vector<WordPart>> WordTables::Parts(uint64_t begin, uint64_t end) {
  parts_.Bind(1, begin);
  parts_.Bind(2, end);
  std::vector<WordPart> parts;
  absl::StatusOr<bool> row = parts_.Step();
  for (; row.ok() && *row; row = parts_.Step()) {
    const WordPart part{.number = parts_.Uint(0),
                        .begin = parts_.Uint(1),
                        .end = parts_.Uint(2),
                        .suite = parts_.Uint(3) == 0 ? Suite::kInternational : Suite::kSm};
    parts.push_back(part);
  }
  parts_.Reset();
  if (!row.ok()) return row.status();
  return parts;
}

absl::StatusOr<std::string> WordTables::Page(uint64_t number, uint64_t page, const WordKey& key) {
  const int64_t id = IndexPageId(number, page);
  page_.Bind(1, id);
  absl::StatusOr<bool> row = page_.Step();
  absl::StatusOr<std::string> opened = Damaged(number);
  if (!row.ok()) {
    opened = row.status();
  } else if (*row) {
    opened = key.OpenPage(id, page_.Bytes(0));
  }
  page_.Reset();
  return opened;
}

absl::StatusOr<WordTables::Directory> WordTables::OpenDirectory(const WordPart& part,
                                                                const WordKey& key) {
  absl::StatusOr<std::string> page = Page(part.number, 0, key);
  if (!page.ok()) return page.status();
  std::string_view bytes = *page;
  Directory directory;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t count = 0;
  bool whole = TakeVarint(bytes, begin) && TakeVarint(bytes, end) && TakeVarint(bytes, count) &&
               begin == part.begin && end == part.end && count <= kWordPartContents;
  uint64_t next = begin;
  for (uint64_t delta = 0; whole && directory.seqs.size() < count; ++next) {
    whole = TakeVarint(bytes, delta) && next < end && delta < end - next;
    next += delta;
    directory.seqs.push_back(next);
  }
  if (!whole || bytes.size() % sizeof(WordToken) != 0) return Damaged(part.number);
  directory.first_tokens = std::string(bytes);
  return directory;
}

absl::StatusOr<std::vector<uint64_t>> WordTables::Find(const WordPart& part, const WordKey& key,
                                                       const std::vector<WordToken>& tokens) {
  absl::StatusOr<Directory> directory = OpenDirectory(part, key);
  if (!directory.ok()) return directory.status();
  Places left;
  left.fill(~uint64_t{0});
  uint64_t open = 0;
  std::string bytes;
  for (const WordToken token : tokens) {
    // The last page whose first token is not behind ours; pages count from 1.
    uint64_t page = 0;
    for (uint64_t below = directory->pages(); below > 0;) {
      const uint64_t half = below / 2;
      const size_t at = (page + half) * sizeof(WordToken);
      if (ReadBigEndian<WordToken>(std::string_view(directory->first_tokens).substr(at)) <= token) {
        page += half + 1;
        below -= half + 1;
      } else {
        below = half;
      }
    }
    if (page == 0) return std::vector<uint64_t>();
    if (page != open) {
      absl::StatusOr<std::string> opened = Page(part.number, page, key);
      if (!opened.ok()) return opened.status();
      bytes = *std::move(opened);
      open = page;
    }
    Places carried{};
    bool whole = true;
    bool found = false;
    WalkPage(bytes, [&](WordToken at, std::string_view list) {
      if (at == token) {
        found = true;
        whole = WalkPostings(list, [&carried](uint64_t place) {
          carried[place / 64] |= uint64_t{1} << (place % 64);
        });
      }
      return at < token;
    });
    if (!whole) return Damaged(part.number);
    if (!found) return std::vector<uint64_t>();
    uint64_t any = 0;
    for (size_t i = 0; i < left.size(); ++i) any |= left[i] &= carried[i];
    if (any == 0) return std::vector<uint64_t>();
  }
  std::vector<uint64_t> seqs;
  for (size_t place = 0; place < directory->seqs.size(); ++place) {
    if ((left[place / 64] >> (place % 64) & 1) != 0) seqs.push_back(directory->seqs[place]);
  }
  return seqs;
}

absl::StatusOr<WordPartBuilder> WordTables::Read(const WordPart& part, const WordKey& key) {
  absl::StatusOr<Directory> directory = OpenDirectory(part, key);
  if (!directory.ok()) return directory.status();
  WordPartBuilder builder;
  for (uint64_t page = 1; page <= directory->pages(); ++page) {
    absl::StatusOr<std::string> bytes = Page(part.number, page, key);
    if (!bytes.ok()) return bytes.status();
    const bool whole = WalkPage(*bytes, [&](WordToken token, std::string_view list) {
      return WalkPostings(list, [&](uint64_t place) {
        builder.entries_.push_back(uint64_t{token} << kPlaceBits | place);
      });
    });
    if (!whole) return Damaged(part.number);
  }
  builder.seqs_ = std::move(directory->seqs);
  return builder;
}

absl::Status WordTables::Insert(const WordPart& part, const std::vector<IndexPage>& pages) {
  insert_part_.Bind(1, part.number);
  insert_part_.Bind(2, part.begin);
  insert_part_.Bind(3, part.end);
  insert_part_.Bind(4, static_cast<int64_t>(part.suite));
  PartDigest digest(part);
  for (const IndexPage& page : pages) digest.Add(page.id, page.bytes);
  const std::string hex = digest.Hex();
  insert_part_.BindText(5, hex);
  absl::Status status = insert_part_.Run();
  for (const IndexPage& page : pages) {
    if (!status.ok()) break;
    insert_page_.Bind(1, page.id);
    insert_page_.BindBlob(2, page.bytes);
    status = insert_page_.Run();
  }
  return status;
}

absl::Status WordTables::Replace(const WordPart& part, const std::vector<IndexPage>& pages) {
  delete_part_.Bind(1, part.number);
  delete_pages_.Bind(1, IndexPageId(part.number, 0));
  delete_pages_.Bind(2, IndexPageId(part.number + 1, 0));
  absl::Status status = delete_part_.Run();
  status.Update(delete_pages_.Run());
  if (!status.ok() || pages.empty()) return status;
  return Insert(part, pages);
}

absl::StatusOr<std::vector<uint64_t>> WordTables::Erased(uint64_t limit) {
  erased_.Bind(1, limit);
  std::vector<uint64_t> seqs;
  absl::StatusOr<bool> row = erased_.Step();
  for (; row.ok() && *row; row = erased_.Step()) seqs.push_back(erased_.Uint(0));
  erased_.Reset();
  if (!row.ok()) return row.status();
  return seqs;
}

absl::Status WordTables::ForgetErased(uint64_t begin, uint64_t end) {
  forget_.Bind(1, begin);
  forget_.Bind(2, end);
  return forget_.Run();
}

absl::Status CheckWordIndex(const Database& db) {
  absl::StatusOr<Statement> parts = db.Prepare("SELECT * FROM word_parts ORDER BY number");
  absl::StatusOr<Statement> pages = db.Prepare("SELECT id, page FROM word_pages ORDER BY id");
  if (!parts.ok()) return parts.status();
  if (!pages.ok()) return pages.status();
  absl::StatusOr<bool> page = pages->Step();
  absl::StatusOr<bool> row = parts->Step();
  for (; row.ok() && *row; row = parts->Step()) {
    const WordPart part{.number = parts->Uint(0),
                        .begin = parts->Uint(1),
                        .end = parts->Uint(2),
                        .suite = parts->Int(3) == 0 ? Suite::kInternational : Suite::kSm};
    PartDigest digest(part);
    for (; page.ok() && *page && pages->Uint(0) >> 20 == part.number; page = pages->Step()) {
      digest.Add(pages->Int(0), pages->Bytes(1));
    }
    if (!page.ok()) return page.status();
    const bool is_suite = parts->Uint(3) <= 1;
    if (!is_suite || digest.Hex() != parts->Bytes(4)) {
      return absl::DataLossError(Concat("part ", part.number, " of the word index was altered"));
    }
  }
  if (!row.ok()) return row.status();
  if (!page.ok()) return page.status();
  if (!*page) return absl::OkStatus();
  return absl::DataLossError(
      Concat("the word index has a page ", pages->Int(0), " that belongs to no part of it"));
}

}  // namespace weir::audit
