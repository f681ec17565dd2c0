#include "rules/database_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "rules/concat.h"
#include "rules/digest.h"

namespace weir::rules {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "weir-hs1";
constexpr size_t kHeaderBytes = kMagic.size() + kDigestBytes + sizeof(uint64_t);
constexpr std::string_view kSuffix = ".hsdb";
constexpr std::string_view kUnfinished = ".tmp";

std::string ErrorText() {
  return std::error_code(errno, std::generic_category()).message();
}

absl::Status Bad(std::string_view path, std::string_view why) {
  return absl::DataLossError(Concat("the cache file ", path, " is not used: ", why));
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;  // owns the descriptor
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  bool Close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

bool ReadAll(int file, std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::read(file, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

std::string LittleEndian(uint64_t number) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(number); ++i) {
    bytes.push_back(static_cast<char>(static_cast<uint8_t>(number >> (8 * i))));
  }
  return bytes;
}

std::string DigestOfBytes(std::string_view bytes) {
  Digest digest;
  digest.Add(bytes);
  return digest.Finish();
}

// Nobody but this user (or root) may be able to put a file in its place.
bool OnlyOursToWrite(const struct stat& found) {
  return (found.st_uid == ::geteuid() || found.st_uid == 0) &&
         (found.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

std::string DatabaseCache::PathOf(std::string_view key) const {
  return Concat(folder_, "/", HexOf(key), kSuffix);
}

absl::Status DatabaseCache::CheckFolder() const {
  struct stat found {};
  if (::stat(folder_.c_str(), &found) != 0) return absl::NotFoundError(ErrorText());
  if (S_ISDIR(found.st_mode) && OnlyOursToWrite(found)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      Concat("the rule cache ", folder_,
             " is not used: it must be a directory that only the gateway's user may write; give it "
             "that owner and mode 0700"));
}

absl::StatusOr<std::string> DatabaseCache::Load(std::string_view key) const {
  if (absl::Status status = CheckFolder(); !status.ok()) return status;
  const std::string path = PathOf(key);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT) return absl::NotFoundError(path);
    return Bad(path, ErrorText());
  }
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return Bad(path, ErrorText());
  if (!S_ISREG(found.st_mode) || !OnlyOursToWrite(found)) {
    return Bad(path, "others may have written it");
  }
  const auto size = static_cast<uint64_t>(found.st_size);
  if (size < kHeaderBytes + kDigestBytes || size > kFileBytesMax) {
    return Bad(path, "it has not the size of one");
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  if (!ReadAll(file.get(), bytes)) return Bad(path, "it cannot be read to its end");
  const std::string_view whole = bytes;
  const std::string_view sealed = whole.substr(0, whole.size() - kDigestBytes);
  const size_t payload_bytes = sealed.size() - kHeaderBytes;
  if (whole.substr(sealed.size()) != DigestOfBytes(sealed)) return Bad(path, "it is damaged");
  if (sealed.substr(0, kHeaderBytes) !=
      Concat(kMagic, key, std::string_view(LittleEndian(payload_bytes)))) {
    return Bad(path, "it is of another format or for other rules");
  }
  ::futimens(file.get(), nullptr);  // the age that RemoveOld() goes by; a failure costs a rebuild
  return bytes.substr(kHeaderBytes, payload_bytes);
}

absl::Status DatabaseCache::Store(std::string_view key, std::string_view payload) const {
  static std::atomic<uint64_t> number = 0;
  const auto failed = [&](std::string_view what) {
    return absl::UnavailableError(
        Concat("the rule cache ", folder_, " cannot be written: ", what, ": ", ErrorText()));
  };
  std::error_code error;
  if (fs::create_directories(folder_, error)) ::chmod(folder_.c_str(), S_IRWXU);
  if (error) return failed("it cannot be made");
  if (absl::Status status = CheckFolder(); !status.ok()) return status;
  RemoveOld();
  std::string bytes = Concat(kMagic, key, std::string_view(LittleEndian(payload.size())), payload);
  bytes += DigestOfBytes(bytes);
  const std::string path = PathOf(key);
  const std::string beside = Concat(path, ".", ::getpid(), ".", number++, kUnfinished);
  Descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                         S_IRUSR | S_IWUSR));
  if (file.get() < 0) return failed(beside);
  const bool written = WriteAll(file.get(), bytes) && ::fsync(file.get()) == 0 && file.Close() &&
                       ::rename(beside.c_str(), path.c_str()) == 0;
  if (!written) {
    const absl::Status status = failed(beside);
    ::unlink(beside.c_str());
    return status;
  }
  // Without it a crash may lose the file, never half of it.
  const Descriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
  return absl::OkStatus();
}

// Makes room for one more, and sweeps up what a crash left. Best effort: a file too many is no
// harm.
void DatabaseCache::RemoveOld() const {
  constexpr auto kUnfinishedAge = std::chrono::hours(1);
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder_, error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const fs::file_time_type time = entry->last_write_time(error);
    if (name.ends_with(kUnfinished) && fs::file_time_type::clock::now() - time > kUnfinishedAge) {
      fs::remove(entry->path(), error);
    } else if (name.ends_with(kSuffix)) {
      files.emplace_back(time, entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  for (size_t i = 0; i + kFilesMax <= files.size(); ++i) fs::remove(files[i].second, error);
}

}  // namespace weir::rules
