// Secrets in a text: keys that their makers have marked, JSON web tokens, private keys in PEM, and
// random text right behind a word that says what it is.
//
// Random text alone proves nothing: hashes, UUIDs, commit ids and content addresses are public and
// look the same. Behind a word it must have small letters, capitals and digits, which hexadecimal
// has not.
//
// Pure functions, thread-safe.
#pragma once

#include <cstdint>

#include "rules/number_scan.h"

namespace weir::rules {

// Whether a secret begins at byte `at`; `span` is written where the answer is kWhole.
Fit FitSecret(const OriginalText& text, uint64_t at, ContextRule rule, Span& span);

}  // namespace weir::rules
