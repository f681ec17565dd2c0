// An expression as its author wrote it: a tree of character sets. Internal to expression.h, which
// makes from it everything that runs.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "rules/expression.h"

namespace weir::rules {

struct ExpressionTree {
  enum class Kind : uint8_t {
    kEmpty,
    kSet,
    kConcat,
    kEither,
    kRepeat,
    kWordBoundary,
    kNoWordBoundary
  };
  Kind kind = Kind::kEmpty;
  CharacterSet set;
  std::vector<ExpressionTree> children;
  uint32_t least = 0;  // kRepeat
  uint32_t most = 0;
};

// `pattern` must be one that RE2 accepts, so that syntax errors need no second reporting. The
// message of an error goes on behind the quoted pattern: "has an unmatched bracket".
absl::StatusOr<ExpressionTree> ParseExpressionTree(std::string_view pattern);

}  // namespace weir::rules
