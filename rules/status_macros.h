// Early return of absl::Status. Include from .cc files only, so that macros never leak through
// headers. The `CO_` forms are for coroutines, where `return` is not allowed.
#pragma once

#define WEIR_RETURN_IF_ERROR(expr) WEIR_STATUS_IMPL_(return, expr)
#define WEIR_CO_RETURN_IF_ERROR(expr) WEIR_STATUS_IMPL_(co_return, expr)
#define WEIR_ASSIGN_OR_RETURN(lhs, expr) \
  WEIR_STATUSOR_IMPL_(return, WEIR_CAT_(statusor_, __LINE__), lhs, expr)
#define WEIR_CO_ASSIGN_OR_RETURN(lhs, expr) \
  WEIR_STATUSOR_IMPL_(co_return, WEIR_CAT_(statusor_, __LINE__), lhs, expr)

#define WEIR_STATUS_IMPL_(ret, expr)          \
  do {                                        \
    absl::Status weir_status_ = (expr);       \
    if (!weir_status_.ok()) ret weir_status_; \
  } while (false)
#define WEIR_STATUSOR_IMPL_(ret, tmp, lhs, expr) \
  auto tmp = (expr);                             \
  if (!tmp.ok()) ret std::move(tmp).status();    \
  lhs = *std::move(tmp)
#define WEIR_CAT_(a, b) WEIR_CAT2_(a, b)
#define WEIR_CAT2_(a, b) a##b
