// What the tables of the wider lanes cost, per byte of text on the way into a lane. Text that a
// lane would not change is what nearly all text is.
#include <string>

#include <benchmark/benchmark.h>

#include "rules/decoded_text.h"
#include "rules/numeral_table.h"
#include "rules/pinyin_table.h"
#include "rules/shape_table.h"
#include "tests/code_points.h"

namespace weir::rules {
namespace {

std::string Repeat(std::string_view piece, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += piece;
  return text;
}

std::string Chinese() {
  return Repeat("今天的天气非常好，我们去公园散步，看见许多人在湖边钓鱼。他们说这里的水很清。",
                1 << 16);
}
std::string English() {
  return Repeat("The quick brown fox jumps over the lazy dog, and international readers ", 1 << 16);
}
std::string Encoded() {
  return Repeat("看&#36172;博%E8%B5%8C\\u535a网5Zyo57q/6LWM5Zy6。", 1 << 16);
}

void FindEncodedIn(benchmark::State& state, const std::string& text) {
  for (auto _ : state) benchmark::DoNotOptimize(FindEncoded(text));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

void DecodeText(benchmark::State& state, const std::string& text, size_t piece) {
  DecodedChunk lane;
  for (auto _ : state) {
    DecodedText decoder;
    lane.text.clear();
    lane.runs.clear();
    for (size_t at = 0; at < text.size(); at += piece) {
      decoder.Feed(std::string_view(text).substr(at, piece), lane);
    }
    decoder.Finish(lane);
    benchmark::DoNotOptimize(lane.text.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

template <typename LookUp>
void LookUpAll(benchmark::State& state, const LookUp& look_up) {
  const std::string text = Chinese();
  const std::u32string code_points = CodePoints(text);
  for (auto _ : state) {
    for (const char32_t c : code_points) benchmark::DoNotOptimize(look_up(c));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

BENCHMARK_CAPTURE(FindEncodedIn, chinese, Chinese());
BENCHMARK_CAPTURE(FindEncodedIn, english, English());
BENCHMARK_CAPTURE(DecodeText, chinese_whole, Chinese(), size_t{1} << 20);
BENCHMARK_CAPTURE(DecodeText, chinese_six_bytes, Chinese(), size_t{6});
BENCHMARK_CAPTURE(DecodeText, english_whole, English(), size_t{1} << 20);
BENCHMARK_CAPTURE(DecodeText, encoded_whole, Encoded(), size_t{1} << 20);
BENCHMARK_CAPTURE(LookUpAll, numerals, LookUpNumeral);
BENCHMARK_CAPTURE(LookUpAll, pinyin, Readings);
BENCHMARK_CAPTURE(LookUpAll, shapes, ShapeElements);

}  // namespace
}  // namespace weir::rules

BENCHMARK_MAIN();
