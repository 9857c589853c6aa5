#include "planner.h"

namespace wpconvert {
namespace {

constexpr uint16_t kEnd = 0xffff;  // of the list of placed buffers

// Attempts beyond the first, and up to how many buffers they are worth their time.
constexpr uint32_t kAttempts = 32;
constexpr uint32_t kMaxImproved = 512;

bool LiveTogether(const PlannedBuffer &a, const PlannedBuffer &b) {
    return a.first <= b.until && b.first <= a.until;
}

// Appends to `order`, from entry `from` on, the roots that are fixed or those that are not: largest
// first, of equals the first one first. Returns the number of entries.
uint32_t OrderBySize(PlannedBuffer *buffers, uint32_t count, uint32_t from, bool fixed) {
    uint32_t end = from;
    for (uint32_t i = 0; i < count; i++) {
        if (buffers[i].root != i || (buffers[i].trial != kAnywhere) != fixed) {
            continue;
        }
        uint32_t k = end++;
        for (; k > from && buffers[buffers[k - 1].order].nbytes < buffers[i].nbytes; k--) {
            buffers[k].order = buffers[k - 1].order;
        }
        buffers[k].order = static_cast<uint16_t>(i);
    }
    return end;
}

// What lives at the same time at most, which no plan can undercut: some buffer begins at that time.
uint64_t Peak(const PlannedBuffer *buffers, uint32_t roots) {
    uint64_t peak = 0;
    for (uint32_t k = 0; k < roots; k++) {
        const uint16_t time = buffers[buffers[k].order].first;
        uint64_t sum = 0;
        for (uint32_t j = 0; j < roots; j++) {
            const PlannedBuffer &other = buffers[buffers[j].order];
            sum += other.first <= time && time <= other.until ? other.nbytes : 0;
        }
        peak = sum > peak ? sum : peak;
    }
    return peak;
}

// The lowest offset, `from` or above, at which a buffer does not overlap placed ones.
uint32_t FirstGap(const PlannedBuffer *buffers, uint16_t head, const PlannedBuffer &buffer,
                  uint32_t from) {
    for (uint16_t j = head; j != kEnd; j = buffers[j].next) {
        const PlannedBuffer &placed = buffers[j];
        if (!LiveTogether(buffer, placed)) {
            continue;
        }
        if (placed.trial >= from && placed.trial - from >= buffer.nbytes) {
            break;
        }
        const uint32_t end = placed.trial + placed.nbytes;
        from = end > from ? end : from;
    }
    return from;
}

// Places the roots in their order, each into the lowest gap between those that live at the same
// time, but the first `fixed` ones where they say. Returns the bytes needed, UINT32_MAX when too
// many or when fixed ones overlap, and in *last the place in the order of the buffer that ends
// there.
uint32_t Place(PlannedBuffer *buffers, uint32_t roots, uint32_t fixed, uint32_t *last) {
    uint16_t head = kEnd;  // a list of placed buffers by offset
    uint32_t total = 0;
    for (uint32_t k = 0; k < roots; k++) {
        const uint16_t index = buffers[k].order;
        PlannedBuffer &buffer = buffers[index];
        const uint32_t from = k < fixed ? buffer.trial : 0;
        if (from % kBufferAlignment != 0 || from > INT32_MAX) {
            return UINT32_MAX;
        }
        const uint32_t offset = FirstGap(buffers, head, buffer, from);
        const uint32_t end = offset + buffer.nbytes;  // both below 2^31
        if (end > INT32_MAX || (k < fixed && offset != from)) {
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

// Takes the offsets of an attempt.
void Adopt(PlannedBuffer *buffers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        buffers[i].offset = buffers[buffers[i].root].trial;
    }
}

}  // namespace

// Greedy by size. Where that needs more than what lives at one time, the buffer that sticks out is
// the first to be placed in another attempt; the best attempt counts.
uint32_t PlanBuffers(PlannedBuffer *buffers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        buffers[i].trial = kAnywhere;
    }
    const uint32_t roots = OrderBySize(buffers, count, 0, false);
    const uint64_t peak = Peak(buffers, roots);
    const uint32_t attempts = roots <= kMaxImproved ? kAttempts : 0;
    uint32_t best = UINT32_MAX;
    for (uint32_t attempt = 0; attempt <= attempts && best > peak; attempt++) {
        uint32_t last = 0;
        const uint32_t total = Place(buffers, roots, 0, &last);
        if (total < best) {
            best = total;
            Adopt(buffers, count);
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

uint32_t PlanAround(PlannedBuffer *buffers, uint32_t count, uint32_t best) {
    for (uint32_t i = 0; i < count; i++) {
        PlannedBuffer &buffer = buffers[i], &root = buffers[buffer.root];
        buffer.until = buffer.last;
        if (buffer.trial == kAnywhere || buffer.trial != root.trial) {
            buffer.root = static_cast<uint16_t>(i);
        } else if (buffer.last > root.until) {
            root.until = buffer.last;
        }
    }
    const uint32_t fixed = OrderBySize(buffers, count, 0, true);
    const uint32_t roots = OrderBySize(buffers, count, fixed, false);
    uint32_t last = 0;
    const uint32_t total = Place(buffers, roots, fixed, &last);
    if (total >= best) {
        return best;
    }
    Adopt(buffers, count);
    return total;
}

}  // namespace wpconvert
