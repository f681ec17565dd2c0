#include "tests/rules/evasion_material.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <tuple>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>

#include "tests/code_points.h"

namespace weir::rules {
namespace {

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "evasion: %s\n", why.c_str());
  std::abort();
}

// Calls `take` with each line of a file of tests/rules/evasion that is no comment.
void ReadOwn(const char* name, const std::function<void(const std::string&)>& take) {
  const std::string path = std::string(WEIR_SOURCE_DIR) + "/tests/rules/evasion/" + name;
  std::ifstream file(path);
  if (!file) Die(path + " cannot be read");
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') take(line);
  }
}

}  // namespace

bool IsHan(char32_t c) {
  UErrorCode error = U_ZERO_ERROR;
  return uscript_getScript(static_cast<UChar32>(c), &error) == USCRIPT_HAN;
}
bool IsLetter(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsDigit(char32_t c) {
  return c >= '0' && c <= '9';
}
char32_t Lower(char32_t c) {
  return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

// A syllable with its tone mark as letters and a tone: "chǎng" -> "chang", 3.
std::pair<std::string, int> Toneless(const std::string& syllable) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeString parts = icu::Normalizer2::getNFDInstance(error)->normalize(
      icu::UnicodeString::fromUTF8(syllable), error);
  std::string letters;
  int tone = 0;
  for (int32_t i = 0; i < parts.length(); ++i) {
    switch (const char16_t c = parts[i]) {
      case 0x304:
        tone = 1;
        break;
      case 0x301:
        tone = 2;
        break;
      case 0x30C:
        tone = 3;
        break;
      case 0x300:
        tone = 4;
        break;
      case 0x308:
        if (!letters.empty() && letters.back() == 'u') letters.back() = 'v';
        break;
      default:
        if (c < 0x80) letters.push_back(static_cast<char>(c));
    }
  }
  return {letters, tone};
}

const Material& Material::Get() {
  static const Material material;
  return material;
}

Material::Material() {
  ReadReadings();
  ReadCompatibility();
  ReadEmoji();
  ReadOwn("letters.txt", [this](const std::string& line) {
    const std::u32string letters = CodePoints(line);
    look_alike_letters[letters[0]] += letters.substr(1);
  });
  ReadOwn("splits.txt", [this](const std::string& line) {
    const std::u32string split = CodePoints(line);
    splits[split[0]] = split.substr(2);
  });
  ReadOwn("look_alikes.txt", [this](const std::string& line) {
    const std::u32string alike = CodePoints(line);
    for (const char32_t c : alike) {
      for (const char32_t other : alike) {
        if (other != c) look_alikes[c].push_back(other);
      }
    }
  });
  ReadOwn("sentences.txt", [this](const std::string& line) {
    const size_t bar = line.find('|');
    sentences.emplace_back(line.substr(0, bar), line.substr(bar + 1));
  });
}

// kHanyuPinlu of U+573A: "chǎng(1187) cháng(90)".
void Material::ReadReadings() {
  FILE* const pipe = popen("bzip2 -dc /usr/share/unicode/Unihan_Readings.txt.bz2", "r");
  if (pipe == nullptr) Die("bzip2 cannot be run");
  std::array<char, 4096> line;
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
    const std::string text = line.data();
    const size_t field = text.find("\tkHanyuPinlu\t");
    if (field == std::string::npos) continue;
    const auto c = static_cast<char32_t>(std::strtoul(text.c_str() + 2, nullptr, 16));
    for (size_t at = field + 13; at < text.size();) {
      const size_t open = text.find('(', at);
      if (open == std::string::npos) break;
      Pronunciation reading;
      reading.marked = text.substr(at, open - at);
      std::tie(reading.letters, reading.tone) = Toneless(reading.marked);
      reading.weight = std::strtod(text.c_str() + open + 1, nullptr);
      readings[c].push_back(reading);
      at = text.find(' ', open);
      if (at == std::string::npos) break;
      ++at;
    }
    const Pronunciation& first = readings[c].front();
    homophones[first.letters].push_back({c, first.tone, first.weight});
  }
  pclose(pipe);
  if (readings.size() < 3000) Die("Unihan_Readings.txt.bz2 of unicode-data cannot be read");
}

void Material::ReadCompatibility() {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* const nfkc = icu::Normalizer2::getNFKCInstance(error);
  for (UChar32 c = 0x80; c < 0x110000; ++c) {
    const icu::UnicodeString before(c);
    const icu::UnicodeString after = nfkc->normalize(before, error);
    if (after == before || after.countChar32() != 1) continue;
    const auto target = static_cast<char32_t>(after.char32At(0));
    const auto type =
        static_cast<UDecompositionType>(u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE));
    if (type == U_DT_CIRCLE || type == U_DT_SQUARE) {
      if (IsHan(target) || IsLetter(target) || IsDigit(target)) {
        enclosed[Lower(target)].push_back(static_cast<char32_t>(c));
      }
    } else if (IsHan(target)) {
      compatibility[target].push_back(static_cast<char32_t>(c));
    } else if (type == U_DT_FONT && (IsLetter(target) || IsDigit(target))) {
      look_alike_letters[Lower(target)].push_back(static_cast<char32_t>(c));
    }
  }
  // Forms in brackets, with a full stop and in dark discs, to which Unicode gives other words.
  for (char32_t i = 0; i < 26; ++i) {
    for (const char32_t first : {0x249C, 0x1F110, 0x1F150, 0x1F170}) {
      enclosed['a' + i].push_back(first + i);
    }
  }
  for (char32_t i = 1; i < 10; ++i) {
    for (const char32_t first : {0x2776, 0x2780, 0x278A, 0x2474, 0x2488, 0x24F5}) {
      enclosed['0' + i].push_back(first + i - 1);
    }
  }
  for (const auto& [character, forms] : enclosed) {
    enclosed_forms.insert(forms.begin(), forms.end());
  }
}

void Material::ReadEmoji() {
  std::ifstream file("/usr/share/unicode/emoji/emoji-test.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.find("; fully-qualified") == std::string::npos) continue;
    // Keycaps are digits to a reader, and squared letters and Han are what stands in them.
    const auto first = static_cast<char32_t>(std::strtoul(line.c_str(), nullptr, 16));
    if (line.find("20E3") != std::string::npos || (first >= 0x1F100 && first < 0x1F1E6) ||
        (first >= 0x1F200 && first < 0x1F300) || first < 0x2190 || first == 0x24C2 ||
        first == 0x3297 || first == 0x3299) {
      continue;
    }
    std::string sequence;
    for (const char* at = line.c_str(); *at != ';';) {
      char* end = nullptr;
      sequence += Utf8(std::u32string(1, static_cast<char32_t>(std::strtoul(at, &end, 16))));
      at = end;
      while (*at == ' ') ++at;
    }
    emoji.push_back(sequence);
  }
  if (emoji.size() < 1000) Die("emoji-test.txt of unicode-data cannot be read");
}

}  // namespace weir::rules
