// Philox4x32-10: random numbers as a function of a counter (Salmon, Moraes, Dror and Shaw,
// Parallel random numbers: as easy as 1, 2, 3, SC 2011). Ten rounds under a 64-bit key scramble a
// 128-bit counter, a block, into four words of 32 bits. There is no state to advance, so element
// i of a draw is the same whoever computes it, on any ISA, with any number of threads.
//
// The words of a draw (seed, offset): the key is the seed; the counter is the number of the block
// in its lower and the offset in its upper 64 bits, so each offset is a stream of its own. Blocks
// go in groups of 16: words 0 of all 16 blocks come first, then words 1, 2, 3. A vector register
// of any width up to 64 bytes thus holds words in the order in which they are used.
#pragma once

#include <cstdint>

namespace nnf {

constexpr int64_t kPhiloxMultiplier[2] = {0xD2511F53, 0xCD9E8D57};
constexpr uint32_t kPhiloxWeyl[2] = {0x9E3779B9, 0xBB67AE85};  // added to the key every round
constexpr int kPhiloxRounds = 10;

constexpr int kPhiloxBlocks = 16;                // of a group
constexpr int kPhiloxWords = 4 * kPhiloxBlocks;  // of a group

}  // namespace nnf
