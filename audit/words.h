// Words in stored content: what a search compares, and what the word index is made of.
//
// A search finds a content when the folded words stand in the content's folded text. Folding makes
// one of capital and small letters (Latin, Greek, Cyrillic), of full-width and plain ASCII, and of
// the ideographic and the plain space. Content that begins with { or [ is taken for JSON, and its
// strings' escapes are undone first, so that words are found however a client wrote them.
//
// Grams are runs of one or two characters, and of three where all are ASCII letters or digits.
// Whatever stands in a text has its grams among the text's. audit/FORMAT.md section 12 is
// normative. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::audit {

// The words of a search as they are compared. Bytes that are no UTF-8 become U+FFFD.
std::string FoldWords(std::string_view words);
// The same of a content, escapes undone.
std::string FoldContent(std::string_view content);

// Up to three characters, 21 bits each, the first lowest.
using Gram = uint64_t;

// All grams of a folded text, in ascending order, each once.
std::vector<Gram> GramsOf(std::string_view folded);
// Grams that every text with these folded words in it has; as few as narrow it best. None when
// there are no words.
std::vector<Gram> GramsToFind(std::string_view folded);

}  // namespace weir::audit
