// A regular expression of a rule: RE2 syntax, bounded width.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace re2 {
class RE2;
}

namespace weir::rules {

class Expression {
 public:
  static absl::StatusOr<Expression> Parse(std::string_view pattern);

  const re2::RE2& re2() const { return *re2_; }

 private:
  std::shared_ptr<const re2::RE2> re2_;
};

}  // namespace weir::rules
