// The index of words in stored content: which contents have which grams (audit/words.h).
//
// It comes in parts, each over the contents of a run of records inside one segment: at most 4,096
// of them, or 16 MiB. A part is made behind the records, whole, and never changes, but for erasure:
// when contents are deleted, the parts they stand in are written anew without them. Contents behind
// the last part are looked at one by one.
//
// Nothing of a text stands on the disk in plain. A gram is stored as the first 32 bits of its
// encryption as one block, and the pages that hold them are encrypted and authenticated, both under
// keys derived from the key-encryption key. Who has that key and the store can test guesses of what
// a content says, but can read the content as well; who has the store alone learns sizes. Two grams
// may share their 32 bits, so the index only narrows: whoever uses it decrypts what it names and
// compares. audit/FORMAT.md section 12 has the bytes. Internal. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "audit/index.h"
#include "audit/store.h"
#include "audit/suite.h"
#include "audit/words.h"

namespace weir::audit {

inline constexpr size_t kWordPartContents = 4'096;
inline constexpr size_t kWordPartBytes = 16U << 20;

using WordToken = uint32_t;

// The keys of the index, derived from the key-encryption key.
class WordKey {
 public:
  static absl::StatusOr<WordKey> Derive(Suite suite, const ContentKey& key_encryption_key);

  Suite suite() const { return suite_; }
  // In ascending order, each once.
  absl::StatusOr<std::vector<WordToken>> Tokens(const std::vector<Gram>& grams) const;
  absl::StatusOr<std::string> SealPage(int64_t id, std::string_view page) const;
  absl::StatusOr<std::string> OpenPage(int64_t id, std::string_view sealed) const;

 private:
  Suite suite_ = Suite::kInternational;
  ContentKey gram_key_{};
  ContentKey page_key_{};
};

// A row of the table word_parts.
struct WordPart {
  uint64_t number = 0;  // ascending with the records, not without gaps
  uint64_t begin = 0;   // the records from here to before `end`
  uint64_t end = 0;
  Suite suite = Suite::kInternational;  // what its pages are encrypted with
};

// A content as searches see it: folded. From a row of `SELECT ..., <kContentColumns> ...`, whose
// columns begin at `column`; the suite is the one that fits. An error: nobody can read it.
inline constexpr char kContentColumns[] =
    "k.id, k.subject, k.day, k.floor, k.wrapped, c.sealed FROM contents c"
    " JOIN content_keys k ON k.id = c.key_id";
absl::StatusOr<std::string> FoldedContentOf(const Statement& row, int column,
                                            const ContentKey& key_encryption_key);

// Collects the contents of one part, in ascending order of their records.
class WordPartBuilder {
 public:
  void Add(uint64_t seq, const std::vector<WordToken>& tokens);
  // Without the contents of `erased`, which is in ascending order.
  void Erase(const std::vector<uint64_t>& erased);
  bool empty() const { return seqs_.empty(); }
  // The sealed pages, directory first.
  absl::StatusOr<std::vector<IndexPage>> Finish(const WordPart& part, const WordKey& key);

 private:
  friend class WordTables;
  std::vector<uint64_t> seqs_;
  std::vector<uint64_t> entries_;  // token << 12 | place in seqs_
};

// Whether the index is, byte for byte, what was written: kDataLoss, or OK. Needs no key; what an
// altered index would hide from a search is found by it all the same, or the search fails.
absl::Status CheckWordIndex(const Database& db);

// The rows of the tables word_parts and word_pages, and of word_erasures, into which a trigger
// writes every content that is deleted.
class WordTables {
 public:
  // `writes` prepares what changes them as well.
  static absl::StatusOr<WordTables> Prepare(const Database& db, bool writes);

  // The first record behind all parts.
  absl::StatusOr<uint64_t> End();
  // The parts that speak for records from `begin` to before `end`, in order.
  absl::StatusOr<std::vector<WordPart>> Parts(uint64_t begin, uint64_t end);
  // The part's contents that have all tokens, ascending.
  absl::StatusOr<std::vector<uint64_t>> Find(const WordPart& part, const WordKey& key,
                                             const std::vector<WordToken>& tokens);
  // Everything in a part, to be changed and finished again.
  absl::StatusOr<WordPartBuilder> Read(const WordPart& part, const WordKey& key);

  // Within a transaction of the caller's.
  absl::Status Insert(const WordPart& part, const std::vector<IndexPage>& pages);
  // Instead of what stands there; without pages the part goes.
  absl::Status Replace(const WordPart& part, const std::vector<IndexPage>& pages);
  // Contents that were deleted and may stand in the index, ascending, at most `limit`.
  absl::StatusOr<std::vector<uint64_t>> Erased(uint64_t limit);
  absl::Status ForgetErased(uint64_t begin, uint64_t end);

 private:
  struct Directory {
    std::vector<uint64_t> seqs;  // the records that had content, ascending
    std::string first_tokens;    // of the pages from 1 on
    uint64_t pages() const { return first_tokens.size() / sizeof(WordToken); }
  };
  absl::StatusOr<std::string> Page(uint64_t number, uint64_t page, const WordKey& key);
  absl::StatusOr<Directory> OpenDirectory(const WordPart& part, const WordKey& key);

  Statement end_, parts_, page_;
  Statement insert_part_, insert_page_, delete_part_, delete_pages_, erased_, forget_;
};

}  // namespace weir::audit
