// Writes pinyin_data.inc: the readings of every Han character, from Unihan's readings on standard
// input. Runs at build time, so that the product needs no data files.
//
//   bzip2 -dc Unihan_Readings.txt.bz2 | generate_pinyin OUTPUT
//
// Which fields count, and in which order, is said in pinyin_table.h. The order within a character
// is that of commonness, so that the first reading is what most readers hear.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <absl/strings/numbers.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

namespace weir::rules {
namespace {

constexpr uint32_t kCodePointCount = 0x110000;
constexpr uint32_t kPageSize = 256;
// Unihan 15 has 41,000; far fewer means that the input is not what it should be.
constexpr size_t kCharactersMin = 30000;

// Interjections that are no syllables to an input method.
const std::map<std::string, std::string> kNearest = {{"m", "mu"},    {"n", "en"},     {"ng", "en"},
                                                     {"hm", "heng"}, {"hng", "heng"}, {"r", "er"}};

using Readings = std::vector<std::string>;

// "lǜ" -> "lv".
std::string WithoutTone(const std::string& marked) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
  const icu::UnicodeString parts = nfd->normalize(icu::UnicodeString::fromUTF8(marked), error);
  std::string plain;
  for (int32_t i = 0; i < parts.length(); ++i) {
    const char16_t unit = parts[i];
    if (unit == 0x308 && !plain.empty()) plain.back() = 'v';
    if (unit >= 'a' && unit <= 'z') plain += static_cast<char>(unit);
  }
  const auto nearest = kNearest.find(plain);
  return nearest == kNearest.end() ? plain : nearest->second;
}

void Add(const std::string& marked, Readings& readings) {
  const std::string plain = WithoutTone(marked);
  if (!plain.empty() && std::find(readings.begin(), readings.end(), plain) == readings.end()) {
    readings.push_back(plain);
  }
}

// "zhòng(1234) chóng(56)"
void AddFrequencies(const std::string& value, Readings& readings) {
  std::istringstream words(value);
  for (std::string word; words >> word;) Add(word.substr(0, word.find('(')), readings);
}

// "0123.456,0789.012:zhòng,chóng ..."
void AddPlaces(const std::string& value, Readings& readings) {
  std::istringstream words(value);
  for (std::string word; words >> word;) {
    std::istringstream list(word.substr(word.find(':') + 1));
    for (std::string reading; std::getline(list, reading, ',');) Add(reading, readings);
  }
}

using Fields = std::map<std::string, std::string>;

Readings ReadingsOf(const Fields& fields) {
  Readings readings;
  const auto value = [&](const char* name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  };
  // kMandarin may add the reading used in Taiwan, which the dictionaries below know if it matters.
  const std::string common = value("kMandarin");
  Add(common.substr(0, common.find(' ')), readings);
  AddFrequencies(value("kHanyuPinlu"), readings);
  AddPlaces(value("kTGHZ2013"), readings);
  AddPlaces(value("kXHC1983"), readings);
  const bool modern =
      fields.contains("kHanyuPinlu") || fields.contains("kTGHZ2013") || fields.contains("kXHC1983");
  if (!modern) AddPlaces(value("kHanyuPinyin"), readings);
  return readings;
}

// By character.
using Characters = std::map<uint32_t, Readings>;

Characters Read(std::istream& in) {
  std::map<uint32_t, Fields> fields;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("U+", 0) != 0) continue;
    const size_t name = line.find('\t');
    const size_t value = line.find('\t', name + 1);
    if (value == std::string::npos) continue;
    uint32_t c = 0;
    if (!absl::SimpleHexAtoi(line.substr(2, name - 2), &c)) continue;
    fields[c][line.substr(name + 1, value - name - 1)] = line.substr(value + 1);
  }
  Characters characters;
  for (const auto& [c, of_character] : fields) {
    Readings readings = ReadingsOf(of_character);
    if (readings.empty()) continue;
    characters.emplace(c, std::move(readings));
  }
  // Unicode files the numeral zero under symbols.
  characters[0x3007] = {"ling"};
  return characters;
}

// A list of lists as one array of "length, items", each distinct list once.
class Lists {
 public:
  size_t Place(const std::vector<size_t>& list) {
    const auto [place, is_new] = places_.emplace(list, items_.size());
    if (is_new) {
      items_.push_back(list.size());
      items_.insert(items_.end(), list.begin(), list.end());
    }
    return place->second;
  }
  const std::vector<size_t>& items() const { return items_; }

 private:
  std::vector<size_t> items_;
  std::map<std::vector<size_t>, size_t> places_;
};

void WriteArray(std::ostream& out, const char* name, const std::vector<size_t>& values) {
  out << "constexpr uint16_t " << name << "[] = {";
  for (const size_t value : values) out << value << ',';
  out << "};\n";
}

void WriteReadings(std::ostream& out, const Characters& characters,
                   const std::map<std::string, size_t>& syllables) {
  Lists sets;
  sets.Place({});
  std::vector<std::vector<size_t>> pages;
  std::map<std::vector<size_t>, size_t> page_places;
  std::vector<size_t> page_of;
  for (uint32_t first = 0; first < kCodePointCount; first += kPageSize) {
    std::vector<size_t> page;
    for (uint32_t c = first; c < first + kPageSize; ++c) {
      const auto found = characters.find(c);
      std::vector<size_t> set;
      if (found != characters.end()) {
        for (const std::string& reading : found->second) set.push_back(syllables.at(reading));
      }
      page.push_back(sets.Place(set));
    }
    const auto [place, is_new] = page_places.emplace(page, pages.size());
    if (is_new) pages.push_back(page);
    page_of.push_back(place->second);
  }
  WriteArray(out, "kReadingSets", sets.items());
  WriteArray(out, "kReadingPageOf", page_of);
  out << "constexpr uint16_t kReadingPages[][" << kPageSize << "] = {";
  for (const auto& page : pages) {
    out << "\n{";
    for (const size_t entry : page) out << entry << ',';
    out << "},";
  }
  out << "};\n";
}

// The tree of spellings: 26 branches a node, 0 for none; beside it the syllable + 1 that ends
// there.
void WriteTree(std::ostream& out, const std::map<std::string, size_t>& syllables) {
  std::map<std::string, size_t> spellings = syllables;
  for (const auto& [spelling, syllable] : syllables) {
    std::string other = spelling;
    if (spelling.find('v') != std::string::npos) {
      std::replace(other.begin(), other.end(), 'v', 'u');
    } else if (spelling.size() > 1 && spelling[1] == 'u' &&
               std::string("jqxy").find(spelling[0]) != std::string::npos) {
      other[1] = 'v';
    }
    spellings.emplace(other, syllable);  // unless that is a syllable of its own: lv is not lu
  }
  std::vector<std::array<size_t, 26>> nodes(1);
  std::vector<size_t> ends(1);
  for (const auto& [spelling, syllable] : spellings) {
    size_t node = 0;
    for (const char letter : spelling) {
      const auto branch = static_cast<size_t>(letter - 'a');
      if (nodes[node][branch] == 0) {
        nodes[node][branch] = nodes.size();
        nodes.emplace_back();
        ends.push_back(0);
      }
      node = nodes[node][branch];
    }
    ends[node] = syllable + 1;
  }
  WriteArray(out, "kTreeEnds", ends);
  out << "constexpr uint16_t kTree[][26] = {";
  for (const auto& node : nodes) {
    out << "\n{";
    for (const size_t branch : node) out << branch << ',';
    out << "},";
  }
  out << "};\n";
}

int Generate(const char* output) {
  const Characters characters = Read(std::cin);
  if (characters.size() < kCharactersMin) {
    std::cerr << "generate_pinyin: standard input has readings of only " << characters.size()
              << " characters; is it Unihan_Readings.txt?\n";
    return 1;
  }
  std::map<std::string, size_t> syllables;
  for (const auto& [c, readings] : characters) {
    for (const std::string& reading : readings) syllables.emplace(reading, 0);
  }
  size_t next = 0;
  for (auto& [spelling, number] : syllables) number = next++;
  std::ofstream out(output);
  out << "constexpr std::string_view kSpellings[] = {";
  for (const auto& [spelling, number] : syllables) out << '"' << spelling << "\",";
  out << "};\n";
  WriteReadings(out, characters, syllables);
  WriteTree(out, syllables);
  return out.good() ? 0 : 1;
}

}  // namespace
}  // namespace weir::rules

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bzip2 -dc Unihan_Readings.txt.bz2 | generate_pinyin OUTPUT\n");
    return 2;
  }
  return weir::rules::Generate(argv[1]);
}
