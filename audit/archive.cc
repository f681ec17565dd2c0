#include "audit/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <zstd.h>

#include "audit/checkpoint.h"
#include "audit/concat.h"
#include "audit/digest.h"
#include "audit/export_files.h"
#include "audit/record.h"

namespace weir::audit {
namespace {

constexpr int kLevel = 3;
// The seekable format: zstd's contrib/seekable_format/zstd_seekable_compression_format.md.
constexpr uint32_t kSkippableMagic = 0x184D2A5E;
constexpr uint32_t kSeekableMagic = 0x8F92EAB1;
constexpr uint32_t kDigestMagic = 0x184D2A57;  // skippable, too
constexpr uint64_t kDigestFrameBytes = 8 + sizeof(Hash);
constexpr size_t kFooterBytes = 9;
constexpr size_t kEntryBytes = 8;
// What a frame of ours can be at most: 256 of the longest records, or the checkpoints of a segment.
constexpr uint64_t kFrameBytesMax = uint64_t{64} << 20;
constexpr uint64_t kFramesMax = 65'536 / kArchiveFrameRecords + 2;

void AppendU32(uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift);
}

uint32_t ReadU32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

}  // namespace

ArchiveBuilder::ArchiveBuilder(uint64_t begin, uint64_t end, const std::vector<Hash>& roots,
                               std::string_view public_key)
    : head_(Concat(kArchiveHeader, "begin ", begin, "\nend ", end, "\n")) {
  for (const Hash& root : roots) head_ += Base64(root) + "\n";
  head_ += Concat("\n", public_key, "\n");
}

absl::Status ArchiveBuilder::PutFrame(std::string_view text) {
  std::string compressed(ZSTD_compressBound(text.size()), '\0');
  const size_t size =
      ZSTD_compress(compressed.data(), compressed.size(), text.data(), text.size(), kLevel);
  if (ZSTD_isError(size) != 0 || text.size() > kFrameBytesMax) {
    return absl::InternalError("zstd cannot compress a closed segment");
  }
  file_.append(compressed, 0, size);
  frames_.emplace_back(static_cast<uint32_t>(size), static_cast<uint32_t>(text.size()));
  return absl::OkStatus();
}

absl::Status ArchiveBuilder::Add(std::string_view encoded) {
  if (frames_.empty()) {
    if (absl::Status status = PutFrame(head_); !status.ok()) return status;
  }
  frame_ += encoded;
  frame_ += '\n';
  if (++in_frame_ < kArchiveFrameRecords) return absl::OkStatus();
  absl::Status status = PutFrame(frame_);
  frame_.clear();
  in_frame_ = 0;
  return status;
}

absl::StatusOr<std::string> ArchiveBuilder::Finish(const std::vector<std::string>& checkpoints) {
  absl::Status status;
  if (!frame_.empty()) status = PutFrame(frame_);
  std::string notes;
  for (const std::string& note : checkpoints) notes += note + "\n";
  status.Update(PutFrame(notes));
  if (!status.ok()) return status;
  const Hash digest = Sha256(file_);
  AppendU32(kDigestMagic, file_);
  AppendU32(sizeof(Hash), file_);
  file_.append(digest.begin(), digest.end());
  AppendU32(kSkippableMagic, file_);
  AppendU32(static_cast<uint32_t>(frames_.size() * kEntryBytes + kFooterBytes), file_);
  for (const auto& [compressed, plain] : frames_) {
    AppendU32(compressed, file_);
    AppendU32(plain, file_);
  }
  AppendU32(static_cast<uint32_t>(frames_.size()), file_);
  file_ += '\0';  // no checksums in the table
  AppendU32(kSeekableMagic, file_);
  return std::move(file_);
}

Archive::Archive(Archive&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      bytes_(other.bytes_),
      frames_(std::move(other.frames_)) {}

Archive& Archive::operator=(Archive&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  std::swap(frames_, other.frames_);
  return *this;
}

Archive::~Archive() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status Archive::Damaged(std::string_view what) const {
  return absl::DataLossError(Concat(path_, " was altered or is no archive of a ledger: ", what));
}

absl::StatusOr<Archive> Archive::Open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    return absl::NotFoundError(Concat("the archive ", path, " is missing"));
  }
  if (fd < 0) return absl::UnavailableError(Concat("cannot open ", path, ": ", ::strerror(errno)));
  Archive archive(path, fd);
  if (absl::Status status = archive.ReadPlaces(); !status.ok()) return status;
  return archive;
}

absl::StatusOr<std::string> Archive::Read(uint64_t offset, uint64_t bytes) const {
  std::string read(bytes, '\0');
  for (size_t done = 0; done < bytes;) {
    const ssize_t got =
        ::pread(fd_, read.data() + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return absl::UnavailableError(Concat("cannot read ", path_, ": ", ::strerror(errno)));
    if (got == 0) return Damaged("it ends too early");
    done += static_cast<size_t>(got);
  }
  return read;
}

absl::Status Archive::ReadPlaces() {
  struct stat file {};
  if (::fstat(fd_, &file) != 0) {
    return absl::UnavailableError(Concat("cannot read ", path_, ": ", ::strerror(errno)));
  }
  const auto size = static_cast<uint64_t>(file.st_size);
  if (size < kFooterBytes) return Damaged("it is too short");
  absl::StatusOr<std::string> footer = Read(size - kFooterBytes, kFooterBytes);
  if (!footer.ok()) return footer.status();
  const uint64_t count = ReadU32(*footer, 0);
  if (ReadU32(*footer, 5) != kSeekableMagic || (*footer)[4] != '\0' || count < 3 ||
      count > kFramesMax) {
    return Damaged("its last bytes are not the table of frames'");
  }
  const uint64_t table = 8 + count * kEntryBytes + kFooterBytes;
  if (table > size) return Damaged("its table of frames is cut");
  absl::StatusOr<std::string> entries = Read(size - table, table);
  if (!entries.ok()) return entries.status();
  if (ReadU32(*entries, 0) != kSkippableMagic || ReadU32(*entries, 4) != table - 8) {
    return Damaged("its table of frames has no beginning");
  }
  uint64_t offset = 0;
  for (size_t i = 0; i < count; ++i) {
    const Place place{.offset = offset,
                      .compressed = ReadU32(*entries, 8 + i * kEntryBytes),
                      .plain = ReadU32(*entries, 12 + i * kEntryBytes)};
    if (place.plain > kFrameBytesMax) return Damaged("a frame is larger than any of ours");
    frames_.push_back(place);
    offset += place.compressed;
  }
  bytes_ = offset;
  if (offset + kDigestFrameBytes + table == size) return absl::OkStatus();
  return Damaged("its frames do not fill it");
}

// Some bits of a zstd frame do not matter to what comes out of it.
absl::Status Archive::CheckBytes() const {
  absl::StatusOr<std::string> all = Read(0, bytes_ + kDigestFrameBytes);
  if (!all.ok()) return all.status();
  const std::string_view frames = std::string_view(*all).substr(0, bytes_);
  const std::string_view digest = std::string_view(*all).substr(bytes_ + 8);
  const Hash expected = Sha256(frames);
  if (ReadU32(*all, bytes_) == kDigestMagic && ReadU32(*all, bytes_ + 4) == sizeof(Hash) &&
      std::equal(expected.begin(), expected.end(), digest.begin(),
                 [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); })) {
    return absl::OkStatus();
  }
  return Damaged("its bytes are not those that were written");
}

absl::StatusOr<std::string> Archive::Frame(size_t number) const {
  const Place& place = frames_[number];
  absl::StatusOr<std::string> compressed = Read(place.offset, place.compressed);
  if (!compressed.ok()) return compressed.status();
  std::string text(place.plain, '\0');
  const size_t size =
      ZSTD_decompress(text.data(), text.size(), compressed->data(), compressed->size());
  if (ZSTD_isError(size) != 0 || size != text.size() ||
      ZSTD_findFrameCompressedSize(compressed->data(), compressed->size()) != compressed->size()) {
    return Damaged(Concat("frame ", number, " cannot be decompressed"));
  }
  return text;
}

}  // namespace weir::audit
