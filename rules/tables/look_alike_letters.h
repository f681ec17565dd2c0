// Letters that readers take for another: facts that no normalisation form knows. Input of
// generate_fold.
#pragma once

namespace weir::rules {

// Each character of `from` is read as `to`.
struct LookAlike {
  const char32_t* from;
  char32_t to;
};

// The Latin letter that people write these for: Cyrillic, Greek, Armenian, Cherokee, Lisu, small
// capitals and IPA, then Coptic and Canadian syllables, in that order per letter. Of Greek capitals
// also those that are drawn like a Latin letter without being one (CΛSIΠO). None from alphabets
// that share no form with Latin and stand in ordinary text: a Thai ร is no s.
//
// Generated besides: what Unicode takes for confusable, and letters with strokes, hooks and
// descenders, by their names.
inline constexpr LookAlike kLookAlikes[] = {
    {U"АаΑαΛΔ\u2206ᎪᏗꓮᴀɑⱭⲀᗩᗋ", U'a'},
    {U"ВвЬьЪъБбΒβᏴᏰꓐʙɓⲂᗷᙖ", U'b'},
    {U"СсϹϲᏟꓚᴄɔↄⲤᑕᑢ", U'c'},
    {U"ԀԁδᎠꓓᴅđĐðɖɗᗪᗞᑯ", U'd'},
    {U"ЕеЁёЄєЭэΕεΣΞᎬᏋꓰᴇɛəǝⲈᗴᕮ", U'e'},
    {U"ҒғϜϝꓝꜰƒᖴ", U'f'},
    {U"ԌԍᏀᎶꓖɢɡɠ", U'g'},
    {U"НнҺһЋћЂђΗᎻꓧʜħĦⲎᕼ", U'h'},
    {U"ІіΙιӀᎥꓲɪıɩⲒ", U'i'},
    {U"ЈјͿϳᎫᏠꓙᴊȷᒍ", U'j'},
    {U"КкΚκᏦꓗᴋƙⲔ", U'k'},
    {U"ӏլⅬᏞᏝꓡʟłŁɭᒪᒺ", U'l'},
    {U"МмΜᎷꓟᴍɱⲘᗰᙏ", U'm'},
    {U"ПпИиΝηΠπոռղᏁꓠɴɲŋⲚᑎᘉ", U'n'},
    {U"ОоΟοΩ\u2126ΘθϴѲѳօՕᎧꓳᴏøØɵⲞ", U'o'},
    {U"РрΡρᏢᎮꓑᴘƥⲢᑭᕈ", U'p'},
    {U"ԚԛզɊɋᑫᕴ", U'q'},
    {U"ЯяᎡᏒᖇꓣʀɾɽ", U'r'},
    {U"ЅѕՏֆᏕꓢꜱʂᔕ", U's'},
    {U"ТтΤτᎢᏖꓔᴛŧŦƭⲦ", U't'},
    {U"ЦцΥυսᏬꓴᴜʊμᑌᘮ", U'u'},
    {U"ѴѵνᏉꓦᴠʋᐯᐻ", U'v'},
    {U"ԜԝШшЩщωᎳᏇꓪᴡɯⲰᗯᙡ", U'w'},
    {U"ХхΧχꓫⲬ᙭ᕽ", U'x'},
    {U"УуҮүҰұγᎩꓬʏƴⲨ", U'y'},
    {U"ΖᏃꓜᴢƶƵʐⲌᘔ", U'z'},
};

// Letters that are drawn as a dot or a stroke, and that people put between others as if they were
// one: they are that mark. Not 〇, which is a digit, nor ㄧ and ㅡ, which are written for 一.
inline constexpr LookAlike kMarkLetters[] = {
    {U"丨ㅣ〡ǀǁ", U'|'},  {U"丿", U'/'},    {U"乀", U'\\'}, {U"ー\u0640ᐨ", U'-'},
    {U"ㆍꞏᐧ", U'·'}, {U"丶ヽ", U'、'}, {U"亅", U'」'}, {U"ǃ", U'!'},
    {U"Ꞌꞌ", U'\''},       {U"ꓸꓹꓺꓻ", U'.'},  {U"ꓼꓽ", U':'},
};

}  // namespace weir::rules
