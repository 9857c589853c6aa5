// Counts how often each instruction of a bare-metal guest was executed.
//
//     qemu-system-arm … -icount shift=0 -plugin file=wpcount.so,out=FILE[,marker=ADDRESS]…
//
// Each execution of the instruction at a marker address ends an interval: the counts since the
// marker before (or since reset) are written down, so that they can be attributed to what ran
// between two markers. A marker's own instruction belongs to the interval that it opens. FILE is
// text:
//
//     wpconvert-counts 1
//     interval ADDRESS           one for each marker executed, in order; the last one says `exit`
//     SLOT COUNT                 its executions, without instructions that did not run
//     insn SLOT ADDRESS OPCODE   what a slot is, in hexadecimal; opcode bytes in memory order
//     end TOTAL                  all executions: the file is whole
//
// What is counted is what `-icount` counts: a condition-failed instruction in an IT block and the
// IT itself are executed instructions, and LE or LETP count once for each time round the loop. An
// instruction that faults is counted as well.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin_api.h"

#define CHUNK_SLOTS 4096
#define MAX_CHUNKS 1024
#define MAX_MARKERS 16
#define MAX_OPCODE 4

// One instruction. QEMU keeps the address of `count`, so that slots must never move.
typedef struct {
    uint64_t count;
    uint64_t reported;
    uint64_t address;
    uint32_t next;
    uint8_t size;
    uint8_t opcode[MAX_OPCODE];
} slot;

// The callbacks carry no state of ours at translation, and there is one plugin to a process.
static struct {
    slot *chunk[MAX_CHUNKS];
    uint32_t slots;
    uint32_t bucket[1 << 16];  // slot number + 1; 0 ends a chain
    uint64_t marker[MAX_MARKERS];
    uint32_t markers;
    FILE *out;
} state;

int __attribute__((visibility("default"))) qemu_plugin_version = PLUGIN_API_VERSION;

static slot *slot_at(uint32_t index) {
    return &state.chunk[index / CHUNK_SLOTS][index % CHUNK_SLOTS];
}

// Ends QEMU without the exit callback: the file stays without its last line, and nobody takes it
// for whole.
_Noreturn static void fail(const char *what) {
    fprintf(stderr, "wpcount: %s\n", what);
    _Exit(EXIT_FAILURE);
}

static slot *new_slot(void) {
    const uint32_t index = state.slots;
    if (index / CHUNK_SLOTS == MAX_CHUNKS) {
        fail("more instructions than there are slots");
    }
    slot **const chunk = &state.chunk[index / CHUNK_SLOTS];
    if (*chunk == NULL) {
        *chunk = calloc(CHUNK_SLOTS, sizeof(slot));
        if (*chunk == NULL) {
            fail("out of memory");
        }
    }
    state.slots = index + 1;
    return slot_at(index);
}

// The slot of an instruction. Code that was overwritten is another instruction at the same address.
static slot *slot_of(uint64_t address, const uint8_t *opcode, size_t size) {
    uint32_t *const bucket = &state.bucket[(address >> 1) & 0xFFFF];
    for (uint32_t entry = *bucket; entry != 0; entry = slot_at(entry - 1)->next) {
        slot *const known = slot_at(entry - 1);
        if (known->address == address && known->size == size &&
            memcmp(known->opcode, opcode, size) == 0) {
            return known;
        }
    }
    slot *const added = new_slot();
    added->address = address;
    added->size = (uint8_t)size;
    memcpy(added->opcode, opcode, size);
    added->next = *bucket;
    *bucket = state.slots;
    return added;
}

static void write_counts(void) {
    for (uint32_t index = 0; index < state.slots; ++index) {
        slot *const insn = slot_at(index);
        if (insn->count != insn->reported) {
            fprintf(state.out, "%" PRIu32 " %" PRIu64 "\n", index, insn->count - insn->reported);
            insn->reported = insn->count;
        }
    }
}

static void on_marker(unsigned int vcpu, void *marker) {
    (void)vcpu;
    fprintf(state.out, "interval %" PRIx64 "\n", *(const uint64_t *)marker);
    write_counts();
}

// Bytes of a Thumb instruction, by its first halfword. QEMU's own figure can be larger: at the end
// of a page it reads into the next instruction, and counts what it read.
static size_t thumb_nbytes(const uint8_t *opcode) {
    return opcode[1] >> 3 >= 0x1D ? 4 : 2;
}

// A block is translated anew whenever QEMU's cache is flushed; its instructions keep their slots.
static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    const size_t insns = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < insns; ++i) {
        struct qemu_plugin_insn *const insn = qemu_plugin_tb_get_insn(tb, i);
        const uint64_t address = qemu_plugin_insn_vaddr(insn);
        const uint8_t *const opcode = qemu_plugin_insn_data(insn);
        const size_t available = qemu_plugin_insn_size(insn);
        const size_t size = available < 2 ? 0 : thumb_nbytes(opcode);
        if (size == 0 || size > available) {
            fail("an instruction that is not Thumb");
        }
        for (uint32_t marker = 0; marker < state.markers; ++marker) {
            if (state.marker[marker] == address) {
                qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker, QEMU_PLUGIN_CB_NO_REGS,
                                                       &state.marker[marker]);
            }
        }
        slot *const counted = slot_of(address, opcode, size);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                   &counted->count, 1);
    }
}

static void on_exit_of_guest(qemu_plugin_id_t id, void *user) {
    (void)id;
    (void)user;
    fprintf(state.out, "interval exit\n");
    write_counts();
    uint64_t total = 0;
    for (uint32_t index = 0; index < state.slots; ++index) {
        const slot *const insn = slot_at(index);
        total += insn->count;
        fprintf(state.out, "insn %" PRIu32 " %" PRIx64 " ", index, insn->address);
        for (uint8_t i = 0; i < insn->size; ++i) {
            fprintf(state.out, "%02x", insn->opcode[i]);
        }
        fputc('\n', state.out);
    }
    fprintf(state.out, "end %" PRIu64 "\n", total);
    if (ferror(state.out) != 0 || fclose(state.out) != 0) {
        fputs("wpcount: the counts could not be written\n", stderr);
    }
}

static bool add_marker(const char *text) {
    char *end = NULL;
    const uint64_t address = strtoull(text, &end, 0);
    if (end == text || *end != '\0' || state.markers == MAX_MARKERS) {
        return false;
    }
    state.marker[state.markers++] = address & ~UINT64_C(1);  // a symbol's address has the Thumb bit
    return true;
}

int __attribute__((visibility("default")))
qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    if (!info->system_emulation || info->system.smp_vcpus != 1) {
        fputs("wpcount: needs system emulation with one core\n", stderr);
        return 1;
    }
    const char *path = NULL;
    for (int i = 0; i < argc; ++i) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            path = argv[i] + 4;
        } else if (strncmp(argv[i], "marker=", 7) != 0 || !add_marker(argv[i] + 7)) {
            fprintf(stderr, "wpcount: unknown option %s\n", argv[i]);
            return 1;
        }
    }
    state.out = path == NULL ? NULL : fopen(path, "w");
    if (state.out == NULL) {
        fprintf(stderr, "wpcount: cannot write the file given as out=%s\n",
                path == NULL ? "" : path);
        return 1;
    }
    fputs("wpconvert-counts 1\n", state.out);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
    return 0;
}
