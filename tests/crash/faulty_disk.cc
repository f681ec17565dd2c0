// A disk and a clock that fail on demand, for a program that this library is preloaded into.
//
// The file that WEIR_FAULTS names says what fails, in at most 255 characters: CALLS NUMBER PATH.
// CALLS are some of w (writes), s (syncs) and o (opening to write), which fail with the error
// NUMBER where the file's path contains PATH; or c: the wall clock is NUMBER seconds off. The test
// overwrites the file in place, which must keep its length; it takes effect with the next call.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr size_t kControlBytes = 256;

struct Plan {
  char calls[16] = "";
  int number = 0;
  char path[200] = "";
};

Plan Read() {
  static const char* const control = [] {
    const char* file = std::getenv("WEIR_FAULTS");
    const int fd = file == nullptr ? -1 : ::open(file, O_RDONLY | O_CLOEXEC);
    void* mapped =
        fd < 0 ? MAP_FAILED : ::mmap(nullptr, kControlBytes, PROT_READ, MAP_SHARED, fd, 0);
    return mapped == MAP_FAILED ? nullptr : static_cast<const char*>(mapped);
  }();
  Plan plan;
  if (control == nullptr || control[0] == ' ') return plan;
  char text[kControlBytes];
  std::memcpy(text, control, kControlBytes);
  text[kControlBytes - 1] = 0;
  if (std::sscanf(text, "%15s %d %199s", plan.calls, &plan.number, plan.path) != 3) return Plan();
  return plan;
}

// True: the call is to fail, and errno is set.
bool Fails(char call, const char* path) {
  const Plan plan = Read();
  if (std::strchr(plan.calls, call) == nullptr || std::strstr(path, plan.path) == nullptr) {
    return false;
  }
  errno = plan.number;
  return true;
}

bool Fails(char call, int fd) {
  if (Read().calls[0] == 0) return false;
  char link[64];
  char path[4096] = "";
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (::readlink(link, path, sizeof path - 1) < 0) return false;
  return Fails(call, path);
}

template <typename Function>
Function* Real(Function* /*for its type*/, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// What open() and open64() do; `rest` holds the mode where the flags ask for one.
int Open(int (*real)(const char*, int, ...), const char* path, int flags, va_list rest) {
  if ((flags & O_ACCMODE) != O_RDONLY && Fails('o', path)) return -1;
  return real(path, flags, (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0);
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, size_t count) {
  static auto* const real = Real(&write, "write");
  return Fails('w', fd) ? -1 : real(fd, bytes, count);
}
ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  static auto* const real = Real(&pwrite, "pwrite");
  return Fails('w', fd) ? -1 : real(fd, bytes, count, offset);
}
ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  static auto* const real = Real(&pwrite64, "pwrite64");
  return Fails('w', fd) ? -1 : real(fd, bytes, count, offset);
}
int fsync(int fd) {
  static auto* const real = Real(&fsync, "fsync");
  return Fails('s', fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
  static auto* const real = Real(&fdatasync, "fdatasync");
  return Fails('s', fd) ? -1 : real(fd);
}
int open(const char* path, int flags, ...) {
  static auto* const real = Real(&open, "open");
  va_list rest;
  va_start(rest, flags);
  const int fd = Open(real, path, flags, rest);
  va_end(rest);
  return fd;
}
int open64(const char* path, int flags, ...) {
  static auto* const real = Real(&open64, "open64");
  va_list rest;
  va_start(rest, flags);
  const int fd = Open(real, path, flags, rest);
  va_end(rest);
  return fd;
}
int clock_gettime(clockid_t clock, struct timespec* now) {
  static auto* const real = Real(&clock_gettime, "clock_gettime");
  const int result = real(clock, now);
  const Plan plan = clock == CLOCK_REALTIME ? Read() : Plan();
  if (plan.calls[0] == 'c') now->tv_sec += plan.number;
  return result;
}

}  // extern "C"
