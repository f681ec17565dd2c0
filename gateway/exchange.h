// The life of one exchange: a client's request and the response to it, judged and recorded.
//
// Run() in exchange.cc is the whole story, top to bottom. Only Run() chooses what happens next; a
// stage does one thing and returns.
//
//   Receive -> Identify -> Decode -> JudgePrompt -> RecordPrompt
//           -> (Refuse | Forward -> Relay) -> RecordAnswer
//
// Guarantees. No byte goes upstream before the prompt's record is durable. No byte of an answer is
// written before it was judged, and its last byte not before the answer's record is durable. One
// bundle, pinned in Identify, decides from the first part to the last record. Whatever fails, at
// whichever stage, ends in one place (Fail), which records where it happened and answers in the
// dialect's shape. Requests that name no known app are counted and answered, not recorded: a record
// stands for a decision, and a stranger must not be able to fill the ledger.
//
// An exchange belongs to one thread and owns nothing that outlives it.
#pragma once

#include <memory>

#include "gateway/byte_stream.h"
#include "gateway/workshop.h"

namespace weir::gateway {

// Serves the requests of one connection until it closes, a request asks for it, or the server
// drains.
Task<void> ServeConnection(Workshop& workshop, std::unique_ptr<ByteStream> stream);

}  // namespace weir::gateway
