// What a text decodes to, worked out the slow way: the whole text, twice over, by what
// rules/decoded_text.h says is decoded. Shares nothing with the engine but how one character is
// read from UTF-8.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::rules {

struct ReferenceDecoded {
  // Of each byte of `text`: the bytes of the original that it comes from.
  struct Source {
    size_t start;
    size_t end;
    bool encoded;
  };
  std::string text;
  std::vector<Source> sources;
};

ReferenceDecoded DecodeForReference(std::string_view original);

}  // namespace weir::rules
