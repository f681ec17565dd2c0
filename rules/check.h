// WEIR_CHECK: an invariant of our own code. Never reached by anything that a client, an upstream,
// a file or the network can do; it ends the process in release builds too, because going on with a
// broken invariant would be to judge or to record wrongly.
#pragma once

#include <cstdio>
#include <cstdlib>

#define WEIR_CHECK(condition)                                                            \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "weir: broken invariant: %s (%s:%d)\n", #condition, __FILE__, \
                   __LINE__);                                                            \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
