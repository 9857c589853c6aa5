#include "planner.h"

namespace wpconvert {
namespace {

constexpr uint16_t kEnd = 0xffff;  // of the list of placed buffers

// Attempts beyond the first, and up to how many buffers they are worth their time.
constexpr uint32_t kAttempts = 32;
constexpr uint32_t kMaxImproved = 512;

bool LiveTogether(const PlannedBuffer &a, const PlannedBuffer &b) {
    return a.first <= b.last && b.first <= a.last;
}

// Sets `order` to the roots, largest first, of equals the first one first. Returns their number.
uint32_t OrderBySize(PlannedBuffer *buffers, uint32_t count) {
    uint32_t roots = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (buffers[i].root != i) {
            continue;
        }
        uint32_t k = roots++;
        for (; k > 0 && buffers[buffers[k - 1].order].nbytes < buffers[i].nbytes; k--) {
            buffers[k].order = buffers[k - 1].order;
        }
        buffers[k].order = static_cast<uint16_t>(i);
    }
    return roots;
}

// What lives at the same time at most, which no plan can undercut: some buffer begins at that time.
uint64_t Peak(const PlannedBuffer *buffers, uint32_t roots) {
    uint64_t peak = 0;
    for (uint32_t k = 0; k < roots; k++) {
        const uint16_t time = buffers[buffers[k].order].first;
        uint64_t sum = 0;
        for (uint32_t j = 0; j < roots; j++) {
            const PlannedBuffer &other = buffers[buffers[j].order];
            sum += other.first <= time && time <= other.last ? other.nbytes : 0;
        }
        peak = sum > peak ? sum : peak;
    }
    return peak;
}

// Places the roots in their order, each into the lowest gap between those that live at the same
// time. Returns the bytes needed, UINT32_MAX when too many, and in *last the place in the order of
// the buffer that ends there.
uint32_t Place(PlannedBuffer *buffers, uint32_t roots, uint32_t *last) {
    uint16_t head = kEnd;  // a list of placed buffers by offset
    uint32_t total = 0;
    for (uint32_t k = 0; k < roots; k++) {
        const uint16_t index = buffers[k].order;
        PlannedBuffer &buffer = buffers[index];
        uint32_t offset = 0;
        for (uint16_t j = head; j != kEnd; j = buffers[j].next) {
            const PlannedBuffer &placed = buffers[j];
            if (!LiveTogether(buffer, placed)) {
                continue;
            }
            if (placed.trial >= offset && placed.trial - offset >= buffer.nbytes) {
                break;
            }
            const uint32_t end = placed.trial + placed.nbytes;
            offset = end > offset ? end : offset;
        }
        const uint32_t end = offset + buffer.nbytes;  // both below 2^31
        if (end > INT32_MAX) {
            return UINT32_MAX;
        }
        buffer.trial = offset;
        if (end > total) {
            total = end;
            *last = k;
        }
        uint16_t *link = &head;
        while (*link != kEnd && buffers[*link].trial <= offset) {
            link = &buffers[*link].next;
        }
        buffer.next = *link;
        *link = index;
    }
    return total;
}

}  // namespace

// Greedy by size. Where that needs more than what lives at one time, the buffer that sticks out is
// the first to be placed in another attempt; the best attempt counts.
uint32_t PlanBuffers(PlannedBuffer *buffers, uint32_t count) {
    const uint32_t roots = OrderBySize(buffers, count);
    const uint64_t peak = Peak(buffers, roots);
    const uint32_t attempts = roots <= kMaxImproved ? kAttempts : 0;
    uint32_t best = UINT32_MAX;
    for (uint32_t attempt = 0; attempt <= attempts && best > peak; attempt++) {
        uint32_t last = 0;
        const uint32_t total = Place(buffers, roots, &last);
        if (total < best) {
            best = total;
            for (uint32_t i = 0; i < count; i++) {
                buffers[i].offset = buffers[i].trial;
            }
        }
        if (roots == 0 || total == UINT32_MAX) {
            break;
        }
        const uint16_t outermost = buffers[last].order;
        for (uint32_t k = last; k > 0; k--) {
            buffers[k].order = buffers[k - 1].order;
        }
        buffers[0].order = outermost;
    }
    return best;
}

}  // namespace wpconvert
