// What the processor can do beyond what every one can, for the few loops that pass over all of a
// text. Each such loop also stands as plain C++, which says the same.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#define WEIR_AVX2 [[gnu::target("avx2,bmi,bmi2")]]
#endif

namespace weir::rules {

// Whether functions marked WEIR_AVX2 may be called; processors with AVX2 have BMI2 too. Tests set
// it to false to hold the two ways against each other; nothing else writes it.
inline bool has_avx2 = [] {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi") != 0 &&
         __builtin_cpu_supports("bmi2") != 0;
#else
  return false;
#endif
}();

}  // namespace weir::rules
