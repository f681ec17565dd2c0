#include "rules/numeral_table.h"

#include <array>
#include <cstddef>

namespace weir::rules {
namespace {

// Code points that count up from `value`.
struct Series {
  char32_t first;
  char32_t last;
  uint8_t value;  // of `first`
};

constexpr char32_t kDecimalZeros[] = {
    0x30,    0x660,   0x6F0,   0x7C0,   0x966,   0x9E6,   0xA66,   0xAE6,   0xB66,   0xBE6,
    0xC66,   0xCE6,   0xD66,   0xDE6,   0xE50,   0xED0,   0xF20,   0x1040,  0x1090,  0x17E0,
    0x1810,  0x1946,  0x19D0,  0x1A80,  0x1A90,  0x1B50,  0x1BB0,  0x1C40,  0x1C50,  0xA620,
    0xA8D0,  0xA900,  0xA9D0,  0xA9F0,  0xAA50,  0xABF0,  0xFF10,  0x104A0, 0x10D30, 0x11066,
    0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0,
    0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8,
    0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E950, 0x1FBF0,
};

constexpr Series kSeries[] = {
    {0xB2, 0xB3, 2},        {0xB9, 0xB9, 1},       {0x2070, 0x2070, 0},   {0x2074, 0x2079, 4},
    {0x2080, 0x2089, 0},                          // super- and subscripts
    {0x2160, 0x216B, 1},    {0x2170, 0x217B, 1},  // Roman
    {0x2460, 0x2473, 1},    {0x2474, 0x2487, 1},   {0x2488, 0x249B, 1},   {0x24EA, 0x24EA, 0},
    {0x24EB, 0x24F4, 11},   {0x24F5, 0x24FE, 1},   {0x24FF, 0x24FF, 0},   {0x2776, 0x277F, 1},
    {0x2780, 0x2789, 1},    {0x278A, 0x2793, 1},   {0x3251, 0x325F, 21},  {0x32B1, 0x32BF, 36},
    {0x1F100, 0x1F100, 0},  {0x1F101, 0x1F10A, 0}, {0x1F10B, 0x1F10B, 0}, {0x1F10C, 0x1F10C, 0},
    {0x1F51F, 0x1F51F, 10},                       // circled, bracketed, dotted, keycap ten
    {0x3220, 0x3228, 1},    {0x3280, 0x3288, 1},  // ㈠ ㊀
    {0x3021, 0x3029, 1},    {0x3192, 0x3195, 1},  // Suzhou, annotation
    {0x1D360, 0x1D368, 1},                        // counting rods
};

// Row v holds what stands for digit v.
constexpr std::u32string_view kHanDigits[] = {
    U"〇零○◯⭕\uF9B2",
    U"一⼀壹弌幺⼳壱🈩",
    U"二⼆贰貳弍两兩両弐𠄞𠄟𠄠\uF978🈔🉂",
    U"三叁叄弎🈪🉁",
    U"四肆",
    U"五伍",
    U"六陆陸\uF9D1\uF9D3",
    U"七柒",
    U"八⼋捌",
    U"九玖",
};

constexpr std::u32string_view kPlaces = U"十⼗㈩㊉拾百佰千仟万萬亿億廿卅卌\uF973";

struct Range {
  char32_t first;
  char32_t last;
};

constexpr Range kSeparators[] = {
    {0x09, 0x0D},       {0x20, 0x2F},       {0x3A, 0x40},       {0x5B, 0x60},     {0x7B, 0x7E},
    {0xA0, 0xA9},       {0xAB, 0xAC},       {0xAE, 0xB1},       {0xB4, 0xB4},     {0xB6, 0xB8},
    {0xBB, 0xBB},       {0xBF, 0xBF},       {0xD7, 0xD7},       {0xF7, 0xF7},     {0x2000, 0x200A},
    {0x2010, 0x2029},   {0x202F, 0x205F},   {0x207A, 0x207E},   {0x208A, 0x208E}, {0x2190, 0x245F},
    {0x2500, 0x2775},   {0x2794, 0x2BFF},   {0x2E00, 0x2E7F},   {0x3000, 0x3004}, {0x3008, 0x3020},
    {0x3030, 0x3030},   {0x303D, 0x303F},   {0x30FB, 0x30FD},   {0x318D, 0x318D}, {0x4E28, 0x4E28},
    {0x4E36, 0x4E36},   {0x4E3F, 0x4E3F},   {0x4E85, 0x4E85},   {0xA78F, 0xA78F}, {0xFE10, 0xFE6F},
    {0xFF01, 0xFF0F},   {0xFF1A, 0xFF20},   {0xFF3B, 0xFF40},   {0xFF5B, 0xFF65}, {0xFFE0, 0xFFEE},
    {0x1F000, 0x1F0FF}, {0x1F1E6, 0x1F1FF}, {0x1F300, 0x1FAFF},
};

constexpr Range kInvisible[] = {
    {0x00, 0x08},       {0x0E, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},     {0x300, 0x36F},
    {0x34F, 0x34F},     {0x61C, 0x61C},   {0x115F, 0x1160}, {0x180B, 0x180F}, {0x200B, 0x200F},
    {0x202A, 0x202E},   {0x2060, 0x206F}, {0x20D0, 0x20FF}, {0x3164, 0x3164}, {0xFE00, 0xFE0F},
    {0xFE20, 0xFE2F},   {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF9, 0xFFFB}, {0x1F3FB, 0x1F3FF},
    {0xE0000, 0xE01FF},
};

// A code point is one byte here: a number, or one of these.
constexpr uint8_t kOtherByte = 255;
constexpr uint8_t kNothingByte = 254;
constexpr uint8_t kSeparatorByte = 253;
constexpr uint8_t kPlaceByte = 252;

constexpr size_t kPageSize = 256;
constexpr size_t kPageCount = 0x110000 / kPageSize;
constexpr size_t kPagesUsedMax = 100;  // page 0 is all kOther

struct Table {
  std::array<uint8_t, kPageCount> page_of{};
  std::array<std::array<uint8_t, kPageSize>, kPagesUsedMax> pages{};
  size_t pages_used = 1;

  constexpr Table() {
    pages[0].fill(kOtherByte);
    // Later rows win, so the general come first.
    for (const Range& range : kSeparators) Fill(range, kSeparatorByte);
    for (const Range& range : kInvisible) Fill(range, kNothingByte);
    for (const char32_t zero : kDecimalZeros) {
      for (uint8_t i = 0; i < 10; ++i) Set(zero + i, i);
    }
    for (const Series& series : kSeries) {
      for (char32_t c = series.first; c <= series.last; ++c) {
        Set(c, static_cast<uint8_t>(series.value + (c - series.first)));
      }
    }
    for (uint8_t value = 0; value < 10; ++value) {
      for (const char32_t c : kHanDigits[value]) Set(c, value);
    }
    for (const char32_t c : kPlaces) Set(c, kPlaceByte);
  }

  constexpr void Fill(Range range, uint8_t byte) {
    for (char32_t c = range.first; c <= range.last; ++c) Set(c, byte);
  }

  constexpr void Set(char32_t c, uint8_t byte) {
    uint8_t& page = page_of[c / kPageSize];
    if (page == 0) {
      pages[pages_used].fill(kOtherByte);
      page = static_cast<uint8_t>(pages_used++);
    }
    pages[page][c % kPageSize] = byte;
  }
};

constexpr Table kTable;
static_assert(kTable.pages_used == kPagesUsedMax, "make kPagesUsedMax what is used");

template <typename Character>
constexpr std::array<Character, 102> Spell() {
  std::array<Character, 102> spelled{};
  for (size_t i = 0; i <= 50; ++i) {
    spelled[2 * i] = static_cast<Character>('0' + i / 10);
    spelled[2 * i + 1] = static_cast<Character>('0' + i % 10);
  }
  return spelled;
}
constexpr std::array<char, 102> kSpelled = Spell<char>();
constexpr std::array<char32_t, 102> kSpelledWide = Spell<char32_t>();

template <typename Character>
std::basic_string_view<Character> SpellingOf(Numeral numeral,
                                             const std::array<Character, 102>& spelled) {
  if (numeral.kind != NumeralKind::kDigits) return {};
  const std::basic_string_view<Character> both(spelled.data() + 2 * size_t{numeral.value}, 2);
  return numeral.value < 10 ? both.substr(1) : both;
}

}  // namespace

std::string_view Numeral::digits() const {
  return SpellingOf(*this, kSpelled);
}
std::u32string_view Numeral::characters() const {
  return SpellingOf(*this, kSpelledWide);
}

Numeral LookUpNumeral(char32_t c) {
  switch (const uint8_t byte = kTable.pages[kTable.page_of[c / kPageSize]][c % kPageSize]; byte) {
    case kOtherByte:
      return {};
    case kNothingByte:
      return {NumeralKind::kNothing, 0};
    case kSeparatorByte:
      return {NumeralKind::kSeparator, 0};
    case kPlaceByte:
      return {NumeralKind::kPlace, 0};
    default:
      return {NumeralKind::kDigits, byte};
  }
}

}  // namespace weir::rules
