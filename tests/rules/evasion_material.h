// What the evasion generator is made of: readings, homophones, forms, look-alikes, splits, emoji
// and sentences, from Unicode's data, ICU and the lists in tests/rules/evasion. evasion.h says why
// none of it is the engine's.
//
// Read once; immutable and thread-safe then.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace weir::rules {

bool IsHan(char32_t c);
bool IsLetter(char32_t c);  // ASCII
bool IsDigit(char32_t c);   // ASCII
char32_t Lower(char32_t c);

// A syllable with its tone mark as letters and a tone: "chǎng" -> "chang", 3.
std::pair<std::string, int> Toneless(const std::string& syllable);

struct Pronunciation {
  std::string marked;   // "chǎng"
  std::string letters;  // "chang"
  int tone = 0;
  double weight = 0;
};

struct Homophone {
  char32_t c;
  int tone;
  double weight;
};

// What the disguises are made of, read once.
class Material {
 public:
  // A file that is missing is said on stderr and ends the program.
  static const Material& Get();

  std::map<char32_t, std::vector<Pronunciation>> readings;   // the most frequent first
  std::map<std::string, std::vector<Homophone>> homophones;  // by letters
  std::map<char32_t, std::u32string> compatibility;          // character -> forms that NFKC undoes
  std::map<char32_t, std::u32string> enclosed;
  std::set<char32_t> enclosed_forms;  // all of them
  std::map<char32_t, std::u32string> look_alike_letters;
  std::map<char32_t, std::u32string> splits;
  std::map<char32_t, std::u32string> look_alikes;
  std::vector<std::string> emoji;
  std::vector<std::pair<std::string, std::string>> sentences;

 private:
  Material();
  void ReadReadings();
  void ReadCompatibility();
  void ReadEmoji();
};

}  // namespace weir::rules
