// Places buffers with lifetimes in one piece of memory.
#ifndef WPCONVERT_CORE_PLANNER_H_
#define WPCONVERT_CORE_PLANNER_H_

#include <stdint.h>

namespace wpconvert {

constexpr uint32_t kBufferAlignment = 16;

// More would take the planner, whose time grows with the square, minutes on a small core.
constexpr uint32_t kMaxPlannedBuffers = 4096;

// In place of a buffer's index: none.
constexpr uint16_t kNoBuffer = 0xffff;

// In place of an offset: wherever there is room.
constexpr uint32_t kAnywhere = 0xffffffff;

// Memory that is in use from operator `first` to operator `last`, both included. A buffer with a
// `root` other than itself, which comes before it, lies where the root lies and is not placed; the
// root's place is in use until `until`.
struct PlannedBuffer {
    uint32_t nbytes;  // a multiple of 16, below 2^31
    uint32_t offset;  // result, a multiple of 16
    uint16_t first;
    uint16_t last;
    uint16_t until;
    uint16_t root;

    // The planner's own.
    uint16_t next;   // the placed buffer with the next higher offset
    uint16_t order;  // of entry k: index of the buffer that is the k-th to be placed
    uint32_t trial;  // offset in the attempt that is under way
};

// Gives every buffer an offset such that no two roots that live at the same time overlap. Returns
// the bytes needed; UINT32_MAX when those are 2^31 or more.
uint32_t PlanBuffers(PlannedBuffer *buffers, uint32_t count);

// The same with some buffers at a place that was chosen before: `trial` is any number from a file,
// or kAnywhere. Takes this plan, and returns its bytes, if it is sound and needs less than `best`;
// otherwise `best`. Afterwards a buffer has a root only where that lies at the same place.
uint32_t PlanAround(PlannedBuffer *buffers, uint32_t count, uint32_t best);

}  // namespace wpconvert

#endif  // WPCONVERT_CORE_PLANNER_H_
