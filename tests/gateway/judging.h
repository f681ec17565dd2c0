// What tests of a dialect judge with: the bundle of tests/gateway/data, and cases from a file.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/gateway/test_bundle.h"

namespace weir::gateway {

inline std::string TestFile(std::string_view path) {
  return std::string(WEIR_SOURCE_DIR) + "/tests/" + std::string(path);
}

// A file of cases. A case begins with "=== name"; its sections with "--- title"; lines that begin
// with "#" outside sections are comments.
struct GoldenCase {
  std::string name;
  int line = 0;
  std::vector<std::pair<std::string, std::vector<std::string>>> sections;

  const std::vector<std::string>& Section(std::string_view title) const {
    static const std::vector<std::string> none;
    for (const auto& [name_of, lines] : sections) {
      if (name_of == title) return lines;
    }
    return none;
  }
  // The one line of a section; "" when there is none.
  std::string Line(std::string_view title) const {
    const std::vector<std::string>& lines = Section(title);
    return lines.empty() ? "" : lines.front();
  }
};

inline std::vector<GoldenCase> ReadCases(std::string_view path) {
  std::ifstream file(TestFile(path));
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<GoldenCase> cases;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.substr(0, 4) == "=== ") {
      cases.push_back({line.substr(4), number, {}});
    } else if (line.substr(0, 4) == "--- ") {
      cases.back().sections.push_back({line.substr(4), {}});
    } else if (!cases.empty() && !cases.back().sections.empty() && !line.empty()) {
      cases.back().sections.back().second.push_back(line);
    }
  }
  return cases;
}

}  // namespace weir::gateway
