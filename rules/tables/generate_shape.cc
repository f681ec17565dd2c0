// Writes shape_data.inc: the parts of every character, down to those that have none, from the
// tables that people edit, and the characters that look alike, from these and from Unihan on
// standard input (likeness.h). Runs at build time.
//
//   bzip2 -dc Unihan_... | generate_shape shape_splits.tsv same_parts.tsv look_alikes.tsv
//       drawn_parts.tsv near_parts.tsv OUTPUT
//
// Every problem of a table is reported with its line, and then nothing is written.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <unicode/unistr.h>

#include "rules/tables/likeness.h"

namespace weir::rules {
namespace {

constexpr uint32_t kCodePointCount = 0x110000;
constexpr uint32_t kPageSize = 256;

using Text = Likeness::Text;

Text Decode(const std::string& text) {
  const icu::UnicodeString units = icu::UnicodeString::fromUTF8(text);
  Text code_points;
  for (int32_t i = 0; i < units.length(); i = units.moveIndex32(i, 1)) {
    code_points.push_back(static_cast<uint32_t>(units.char32At(i)));
  }
  return code_points;
}

std::vector<std::string> Columns(const std::string& line) {
  std::vector<std::string> columns(1);
  for (const char c : line) {
    if (c == '\t') {
      columns.emplace_back();
    } else {
      columns.back() += c;
    }
  }
  return columns;
}

// Calls `take` with each line of a table that is no comment: its number and its columns. False when
// the table cannot be read, or `take` was false of any line.
template <typename Take>
bool ForEachLine(const std::string& file, const Take& take) {
  std::ifstream in(file);
  bool good = in.good();
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    good = take(number, Columns(line)) && good;
  }
  return good;
}

class Shapes {
 public:
  bool ReadSplits(const std::string& file);
  bool ReadSameParts(const std::string& file);
  bool ReadLookAlikes(const std::string& file);
  // Of characters that have no split, and parts that are nearly alike: for AddLookAlikes().
  bool ReadDrawnParts(const std::string& file);
  bool ReadNearParts(const std::string& file);
  // Every character's parts down to the last; false when a character is part of itself.
  bool Expand();
  // After Expand(): adds what the table of look-alikes has not. False when a character is drawn of
  // itself.
  bool AddLookAlikes(const Likeness& likeness);
  void Write(std::ostream& out) const;

 private:
  bool Complain(const std::string& file, int line, const char* what) const {
    std::cerr << file << ':' << line << ": " << what << '\n';
    return false;
  }
  bool ReadClasses(const std::string& file, std::vector<Text>& classes);
  bool Append(uint32_t c, int depth, Text& to) const;
  bool ExpandAll(const Text& parts, Text& to) const;
  bool Repeats(uint32_t c, uint32_t part) const;

  std::map<uint32_t, std::vector<Text>> splits_;  // the first is the lane's
  std::map<uint32_t, uint32_t> first_of_class_;   // of characters without a split
  std::vector<Text> classes_;
  std::set<std::pair<uint32_t, Text>> ordinary_;
  std::map<uint32_t, Text> elements_;
  std::map<uint32_t, std::set<Text>> forms_;  // others than its own elements
  std::vector<Text> look_alikes_;             // any of a list for any other
  Likeness::Drawing drawing_;
  std::map<uint32_t, std::map<uint32_t, bool>> alike_;  // to each: whether closely
};

bool Shapes::ReadSplits(const std::string& file) {
  return ForEachLine(file, [&](int number, const std::vector<std::string>& columns) {
    const Text character = Decode(columns[0]);
    if (columns.size() < 2 || columns.size() > 3 || character.size() != 1 ||
        (columns.size() == 3 && columns[2] != "text")) {
      return Complain(file, number, "write one character, its parts, and `text` or nothing");
    }
    const Text parts = Decode(columns[1]);
    bool good = true;
    if (parts.size() < 2) good = Complain(file, number, "a split has two parts or more");
    std::vector<Text>& splits = splits_[character[0]];
    if (std::find(splits.begin(), splits.end(), parts) != splits.end()) {
      good = Complain(file, number, "this split is there twice");
    }
    splits.push_back(parts);
    if (columns.size() == 3) ordinary_.emplace(character[0], parts);
    return good;
  });
}

bool Shapes::ReadClasses(const std::string& file, std::vector<Text>& classes) {
  const bool are_good = ForEachLine(file, [&](int number, const std::vector<std::string>& columns) {
    bool good = true;
    Text of_class;
    for (const std::string& column : columns) {
      const Text character = Decode(column);
      if (character.size() != 1) good = Complain(file, number, "write one character a column");
      of_class.insert(of_class.end(), character.begin(), character.end());
    }
    if (of_class.size() < 2) good = Complain(file, number, "a line has two characters or more");
    classes.push_back(of_class);
    return good;
  });
  if (classes.empty()) return Complain(file, 1, "there are no characters");
  return are_good;
}

bool Shapes::ReadSameParts(const std::string& file) {
  bool good = ReadClasses(file, classes_);
  for (const Text& of_class : classes_) {
    for (const uint32_t c : of_class) {
      if (splits_.contains(c) || first_of_class_.emplace(c, of_class[0]).second) continue;
      std::cerr << file << ": U+" << std::hex << c << std::dec << " is in two lines\n";
      good = false;
    }
  }
  return good;
}

bool Shapes::ReadLookAlikes(const std::string& file) {
  return ReadClasses(file, look_alikes_);
}

bool Shapes::ReadDrawnParts(const std::string& file) {
  return ForEachLine(file, [&](int number, const std::vector<std::string>& columns) {
    const Text character = Decode(columns[0]);
    const Text parts = columns.size() == 2 ? Decode(columns[1]) : Text();
    if (character.size() != 1 || parts.size() < 2) {
      return Complain(file, number, "write one character and two parts of it or more");
    }
    if (splits_.contains(character[0])) {
      return Complain(file, number, "the character has a split: that is what it is drawn of");
    }
    if (!drawing_.parts.emplace(character[0], parts).second) {
      return Complain(file, number, "this character is there twice");
    }
    return true;
  });
}

bool Shapes::ReadNearParts(const std::string& file) {
  return ReadClasses(file, drawing_.near);
}

bool Shapes::Append(uint32_t c, int depth, Text& to) const {
  constexpr int kDepthMax = 16;
  if (depth == kDepthMax) return false;
  if (const auto split = splits_.find(c); split != splits_.end()) {
    return std::ranges::all_of(split->second[0],
                               [&](uint32_t part) { return Append(part, depth + 1, to); });
  }
  const auto first = first_of_class_.find(c);
  if (first != first_of_class_.end() && first->second != c) {
    return Append(first->second, depth + 1, to);
  }
  to.push_back(c);
  return true;
}

bool Shapes::ExpandAll(const Text& parts, Text& to) const {
  return std::ranges::all_of(parts, [&](uint32_t part) { return Append(part, 0, to); });
}

bool Shapes::Expand() {
  const auto expand = [&](uint32_t c) {
    if (Append(c, 0, elements_[c])) return true;
    std::cerr << "the splits of U+" << std::hex << c << std::dec << " never end\n";
    return false;
  };
  bool good = true;
  for (const auto& [c, splits] : splits_) {
    good = expand(c) && good;
    for (size_t i = 1; i < splits.size(); ++i) {
      Text form;
      good = ExpandAll(splits[i], form) && good;
      forms_[c].insert(form);
    }
  }
  for (const Text& of_class : classes_) {
    for (const uint32_t c : of_class) {
      if (!elements_.contains(c)) good = expand(c) && good;
    }
  }
  for (const Text& of_class : classes_) {
    for (const uint32_t c : of_class) {
      for (const uint32_t other : of_class) forms_[c].insert(elements_[other]);
    }
  }
  for (auto& [c, forms] : forms_) forms.erase(elements_[c]);
  return good;
}

// 林 is 木 twice: which of the two a text with 木木 means could not be told.
bool Shapes::Repeats(uint32_t c, uint32_t part) const {
  const auto found = elements_.find(c);
  if (found == elements_.end()) return false;
  Text elements;
  Append(part, 0, elements);
  Text copies;
  while (copies.size() < found->second.size()) {
    copies.insert(copies.end(), elements.begin(), elements.end());
  }
  return copies.size() > elements.size() && copies == found->second;
}

bool Shapes::AddLookAlikes(const Likeness& likeness) {
  const auto add = [&](uint32_t a, uint32_t b, bool close) {
    if (a == b || std::max(a, b) > kLookAlikeMax || Repeats(a, b) || Repeats(b, a)) return;
    bool& one = alike_[a][b];
    bool& other = alike_[b][a];
    one = other = one || close;
  };
  Likeness::Drawing drawing = drawing_;
  for (const auto& [c, splits] : splits_) drawing.parts[c] = splits[0];
  drawing.same = classes_;
  std::vector<Likeness::Pair> pairs;
  if (!likeness.Find(drawing, pairs)) return false;
  for (const auto& [a, b, close] : pairs) add(a, b, close);
  std::map<Text, Text> same;
  for (const auto& [c, elements] : elements_) same[elements].push_back(c);
  std::vector<Text> lines = look_alikes_;
  lines.insert(lines.end(), classes_.begin(), classes_.end());
  for (const auto& [elements, characters] : same) lines.push_back(characters);
  for (const Text& line : lines) {
    for (const uint32_t a : line) {
      for (const uint32_t b : line) add(a, b, true);
    }
  }
  return true;
}

void WriteNumbers(std::ostream& out, const char* type, const char* name, const Text& values) {
  out << "constexpr " << type << ' ' << name << "[] = {";
  for (const uint32_t value : values) out << value << ',';
  out << "};\n";
}

void Shapes::Write(std::ostream& out) const {
  Text lists = {0};  // "length, elements"; the first is that of characters left alone
  std::map<Text, uint32_t> places;
  const auto place_of = [&](const Text& list) {
    const auto [place, is_new] = places.emplace(list, static_cast<uint32_t>(lists.size()));
    if (is_new) {
      lists.push_back(static_cast<uint32_t>(list.size()));
      lists.insert(lists.end(), list.begin(), list.end());
    }
    return place->second;
  };
  std::vector<Text> pages;
  std::map<Text, uint32_t> page_places;
  Text page_of;
  for (uint32_t first = 0; first < kCodePointCount; first += kPageSize) {
    Text page;
    for (uint32_t c = first; c < first + kPageSize; ++c) {
      const auto found = elements_.find(c);
      const bool alone = found == elements_.end() || found->second == Text{c};
      page.push_back(alone ? 0 : place_of(found->second));
    }
    const auto [place, is_new] = page_places.emplace(page, static_cast<uint32_t>(pages.size()));
    if (is_new) pages.push_back(page);
    page_of.push_back(place->second);
  }
  // Pairs of a character and the place of a list, ordered by character.
  Text forms;
  for (const auto& [c, others] : forms_) {
    for (const Text& form : others) forms.insert(forms.end(), {c, place_of(form)});
  }
  Text ordinary;
  for (const auto& [c, parts] : ordinary_) ordinary.insert(ordinary.end(), {c, place_of(parts)});
  // Characters in order, where the look-alikes of each begin, and these in order.
  Text characters;
  Text starts = {0};
  Text look_alikes;
  Text close_bits;
  for (const auto& [c, others] : alike_) {
    characters.push_back(c);
    for (const auto& [other, close] : others) {
      if (look_alikes.size() % 32 == 0) close_bits.push_back(0);
      if (close) close_bits.back() |= 1U << (look_alikes.size() % 32);
      look_alikes.push_back(other);
    }
    starts.push_back(static_cast<uint32_t>(look_alikes.size()));
  }
  WriteNumbers(out, "char16_t", "kAlikeCharacters", characters);
  WriteNumbers(out, "uint32_t", "kAlikeStarts", starts);
  WriteNumbers(out, "char16_t", "kAlikes", look_alikes);
  WriteNumbers(out, "uint32_t", "kCloseBits", close_bits);
  WriteNumbers(out, "char32_t", "kShapeLists", lists);
  WriteNumbers(out, "uint16_t", "kShapePageOf", page_of);
  WriteNumbers(out, "uint32_t", "kShapeForms", forms);
  WriteNumbers(out, "uint32_t", "kOrdinarySplits", ordinary);
  out << "constexpr uint16_t kShapePages[][" << kPageSize << "] = {";
  for (const Text& page : pages) {
    out << "\n{";
    for (const uint32_t entry : page) out << entry << ',';
    out << "},";
  }
  out << "};\n";
}

}  // namespace
}  // namespace weir::rules

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr,
                 "usage: bzip2 -dc UNIHAN... | generate_shape shape_splits.tsv same_parts.tsv "
                 "look_alikes.tsv drawn_parts.tsv near_parts.tsv OUTPUT\n");
    return 2;
  }
  weir::rules::Shapes shapes;
  weir::rules::Likeness likeness;
  if (!shapes.ReadSplits(argv[1]) || !shapes.ReadSameParts(argv[2]) ||
      !shapes.ReadLookAlikes(argv[3]) || !shapes.ReadDrawnParts(argv[4]) ||
      !shapes.ReadNearParts(argv[5]) || !shapes.Expand() || !likeness.ReadUnihan(std::cin) ||
      !shapes.AddLookAlikes(likeness)) {
    std::fprintf(stderr, "generate_shape: the tables cannot be used\n");
    return 1;
  }
  std::ofstream out(argv[6]);
  shapes.Write(out);
  return out.good() ? 0 : 1;
}
