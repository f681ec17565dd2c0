#include "rules/expression.h"

#include <re2/re2.h>

#include "rules/concat.h"

namespace weir::rules {

absl::StatusOr<Expression> Expression::Parse(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_longest_match(true);
  auto re2 = std::make_shared<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!re2->ok()) {
    return absl::InvalidArgumentError(
        Concat("the regex \"", pattern, "\" is not valid: ", re2->error()));
  }
  Expression expression;
  expression.re2_ = std::move(re2);
  return expression;
}

}  // namespace weir::rules
