// Writes words_data.inc: the words of two characters that ordinary Chinese text is made of, from
// the dictionary that ICU parts text with, as far as they are written in simplified characters, as
// the fold lane is (kTGH of Unihan), and which characters it has most (kHanyuPinlu). Runs at build
// time.
//
//   bzip2 -dc Unihan_Readings.txt.bz2 Unihan_OtherMappings.txt.bz2 | generate_words OUTPUT
//
// ICU has its dictionary as a trie of UTF-16 strings behind a header of eight numbers, of which the
// first says where the trie begins: "Dict", version 1.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include <absl/strings/numbers.h>
#include <unicode/ucharstrie.h>
#include <unicode/udata.h>
#include <unicode/unistr.h>
#include <unicode/uversion.h>

namespace weir::rules {
namespace {

// Far fewer mean that the input is not what it should be.
constexpr size_t kWordsMin = 30000;
constexpr size_t kCountedMin = 3000;
constexpr size_t kSimplifiedMin = 8000;

// ICU has for each word how improbable it is, from 40 (的) on. Dearer ones are hardly ever seen.
constexpr int kCostMax = 200;

// Of a character in the 1.8 million of the frequency dictionary that kHanyuPinlu counts.
constexpr int kFrequentMin = 500;
constexpr int kMostFrequentMin = 1000;

// Second characters, by first.
using Words = std::map<char16_t, std::set<char16_t>>;

struct Characters {
  std::map<uint32_t, int> occurrences;
  std::set<uint32_t> simplified;
};

// "wàn(1234) mò(5)": all of a character's readings together, in occurrences.
int Occurrences(const std::string& readings) {
  int all = 0;
  for (size_t at = readings.find('('); at != std::string::npos; at = readings.find('(', at + 1)) {
    int count = 0;
    const std::string number = readings.substr(at + 1, readings.find(')', at) - at - 1);
    if (absl::SimpleAtoi(number, &count)) all += count;
  }
  return all;
}

bool ReadWords(const std::set<uint32_t>& simplified, Words& words) {
  UErrorCode error = U_ZERO_ERROR;
  const std::string package = "icudt" U_ICU_VERSION_SHORT "l-brkitr";
  UDataMemory* const data = udata_open(package.c_str(), "dict", "cjdict", &error);
  if (U_FAILURE(error)) {
    std::cerr << "ICU has no dictionary of Chinese words: " << u_errorName(error) << '\n';
    return false;
  }
  UDataInfo info{};
  info.size = sizeof(info);
  udata_getInfo(data, &info);
  size_t count = 0;
  if (std::memcmp(info.dataFormat, "Dict", 4) == 0 && info.formatVersion[0] == 1) {
    const char* const bytes = static_cast<const char*>(udata_getMemory(data));
    int32_t offset = 0;
    std::memcpy(&offset, bytes, sizeof(offset));
    icu::UCharsTrie::Iterator found(reinterpret_cast<const char16_t*>(bytes + offset), 0, error);
    while (found.next(error)) {
      const icu::UnicodeString& word = found.getString();
      if (word.length() != 2 || found.getValue() > kCostMax) continue;
      if (!simplified.contains(word[0]) || !simplified.contains(word[1])) continue;
      words[word[0]].insert(word[1]);
      ++count;
    }
  }
  udata_close(data);
  if (count >= kWordsMin) return true;
  std::cerr << "ICU's dictionary has " << count
            << " Chinese words of two characters; it should have "
            << "more\n";
  return false;
}

Characters ReadUnihan(std::istream& in) {
  Characters characters;
  for (std::string line; std::getline(in, line);) {
    uint32_t c = 0;
    if (!line.starts_with("U+") || !absl::SimpleHexAtoi(line.substr(2, line.find('\t') - 2), &c)) {
      continue;
    }
    if (line.find("\tkTGH\t") != std::string::npos) characters.simplified.insert(c);
    const size_t field = line.find("\tkHanyuPinlu\t");
    if (field != std::string::npos) characters.occurrences[c] = Occurrences(line.substr(field));
  }
  return characters;
}

void WriteFrequent(std::ostream& out, const char* name, const std::map<uint32_t, int>& occurrences,
                   int least) {
  out << "constexpr char16_t " << name << "[] = {";
  for (const auto& [c, count] : occurrences) {
    if (count >= least && c < 0x10000) out << c << ',';
  }
  out << "};\n";
}

int Write(const char* file) {
  const auto [occurrences, simplified] = ReadUnihan(std::cin);
  if (occurrences.size() < kCountedMin || simplified.size() < kSimplifiedMin) {
    std::cerr << "Unihan counts " << occurrences.size() << " characters and has "
              << simplified.size() << " simplified ones; it should have more\n";
    return 1;
  }
  Words words;
  if (!ReadWords(simplified, words)) return 1;
  std::ofstream out(file);
  out << "constexpr char16_t kWordFirsts[] = {";
  for (const auto& [first, seconds] : words) out << unsigned{first} << ',';
  out << "};\nconstexpr uint32_t kWordStarts[] = {0,";
  size_t end = 0;
  for (const auto& [first, seconds] : words) out << (end += seconds.size()) << ',';
  out << "};\nconstexpr char16_t kWordSeconds[] = {";
  for (const auto& [first, seconds] : words) {
    for (const char16_t second : seconds) out << unsigned{second} << ',';
  }
  out << "};\n";
  WriteFrequent(out, "kFrequentCharacters", occurrences, kFrequentMin);
  WriteFrequent(out, "kMostFrequentCharacters", occurrences, kMostFrequentMin);
  return out.good() ? 0 : 1;
}

}  // namespace
}  // namespace weir::rules

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bzip2 -dc UNIHAN... | generate_words OUTPUT\n");
    return 2;
  }
  return weir::rules::Write(argv[1]);
}
