#include "prefix_code.h"

enum { FIRST_GUESS = 8, MAX_GROUP_LOG2 = 4 };

bool wpk_read_head(wpk_bits *bits, wpk_code_head *head) {
    head->first = (uint8_t)wpk_get_bits(bits, 8);
    head->group_log2 = (uint8_t)wpk_get_bits(bits, 3);
    head->groups = (uint16_t)(wpk_get_bits(bits, 8) + 1);
    return head->group_log2 <= MAX_GROUP_LOG2 &&
           head->first + ((uint32_t)head->groups << head->group_log2) <= WPK_CODE_SYMBOLS;
}

/* The next length, or 0; `guess` is the one before it that was not 0. False if it is malformed. */
static bool next_length(wpk_bits *bits, uint32_t longest, uint32_t *guess, uint32_t *length) {
    if (bits->position >= bits->end) {
        return false;
    }
    const uint32_t token =
        wpk_load_u32(bits->bytes + (bits->position >> 3)) >> (bits->position & 7);
    uint32_t nbits = 1, next = *guess;
    if ((token & 7) == 3) {
        *length = 0;
        bits->position += 3;
        return bits->position <= bits->end;
    }
    if ((token & 1) != 0) {
        nbits = (token & 2) == 0 ? 3 : 7;
        next = (token & 2) == 0 ? next - 1 + (token >> 1 & 2) : token >> 3 & 15;
    }
    bits->position += nbits;
    *guess = *length = next;
    return next >= 1 && next <= longest && bits->position <= bits->end;
}

bool wpk_read_code(wpk_bits *bits, const wpk_code_head *head, wpk_code *code) {
    uint8_t length[WPK_CODE_SYMBOLS];
    uint32_t count[WPK_CODE_NBITS + 1] = {0}, guess = FIRST_GUESS;
    const uint32_t longest = WPK_CODE_NBITS - head->group_log2;
    for (uint32_t g = 0; g < head->groups; ++g) {
        uint32_t next;
        if (!next_length(bits, longest, &guess, &next)) {
            return false;
        }
        length[g] = (uint8_t)(next == 0 ? 0 : next + head->group_log2);
        count[length[g]] += 1u << head->group_log2;
    }
    uint32_t limit = 0, place = 0, at[WPK_CODE_NBITS + 1];
    code->limit[0] = 0;
    code->place[0] = 0;
    for (uint32_t n = 1; n <= WPK_CODE_NBITS; ++n) {
        limit += count[n] << (WPK_CODE_NBITS - n);
        if (limit > 1u << WPK_CODE_NBITS) {
            return false;
        }
        code->limit[n] = (uint16_t)limit;
        code->place[n] = (uint16_t)place;
        at[n] = place;
        place += count[n];
    }
    uint32_t symbol = head->first;
    for (uint32_t g = 0; code->symbols != NULL && g < head->groups; ++g) {
        for (uint32_t k = 0; k < 1u << head->group_log2; ++k, ++symbol) {
            if (length[g] != 0) {
                code->symbols[at[length[g]]++] = (uint8_t)symbol;
            }
        }
    }
    return limit == 1u << WPK_CODE_NBITS;
}
