// Runs damaged models under sanitizers: fuzz_native CORPUS [FIRST] [SECONDS]
//
// CORPUS is a sequence of cases: u32 arena size, u32 model size, the model. Every case ends with
// one line on standard output: "N ok CHECKSUM" or "N refused MESSAGE". Anything else, a sanitizer's
// report for one, ends the program, as do these lines: "N failed MESSAGE" (the runtime broke a
// promise) and "N hang" (not done after SECONDS).
//
// Promises, beyond those the sanitizers watch: outputs depend on inputs only, not on what the arena
// held before or on an earlier run; an arena of the size that was used suffices; a smaller one is
// refused or gives the same outputs.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cstdint>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "session.h"

namespace {

using wpconvert::native::Error;
using wpconvert::native::Port;
using wpconvert::native::Session;

constexpr int kDefaultSeconds = 20;

volatile sig_atomic_t current_case = 0;

// What the alarm may call: async-signal-safe functions only.
void on_alarm(int) {
    char line[32];
    size_t at = sizeof line;
    const char *tail = " hang\n";
    at -= strlen(tail);
    memcpy(line + at, tail, strlen(tail));
    int number = current_case;
    do {
        line[--at] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    if (write(STDOUT_FILENO, line + at, sizeof line - at) < 0) {
        _exit(2);
    }
    _exit(3);
}

class BrokenPromise : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
};

// Byte i of all inputs together is the same in tools/fuzz_native.py.
void fill_inputs(const Session &session) {
    uint32_t i = 0;
    for (const Port &port : session.inputs()) {
        for (size_t at = 0; at < port.nbytes; ++at) {
            port.data[at] = static_cast<uint8_t>((++i * 2654435761u) >> 13);
        }
    }
}

// FNV-1a of all output bytes after one inference.
uint32_t checksum_of_run(Session *session) {
    fill_inputs(*session);
    session->invoke();
    uint32_t hash = 2166136261u;
    for (const Port &port : session->outputs()) {
        for (size_t at = 0; at < port.nbytes; ++at) {
            hash = (hash ^ port.data[at]) * 16777619u;
        }
    }
    return hash;
}

void expect(bool holds, const std::string &what) {
    if (!holds) {
        throw BrokenPromise(what);
    }
}

uint32_t run_case(const uint8_t *model, size_t nbytes, size_t arena_nbytes) {
    Session session(model, nbytes, arena_nbytes, 0x5a);
    const uint32_t first = checksum_of_run(&session);
    expect(checksum_of_run(&session) == first, "a second run gives other outputs");
    const size_t used = session.arena_used();
    expect(used <= arena_nbytes, "more arena is used than there is");
    try {
        Session exact(model, nbytes, used, 0xff);
        expect(checksum_of_run(&exact) == first, "outputs depend on the arena's old content");
    } catch (const Error &error) {
        throw BrokenPromise("refused an arena of the size it used: " + std::string(error.what()));
    }
    for (const size_t smaller : {used - 1, used / 2}) {
        if (smaller == 0 || smaller >= used) {
            continue;
        }
        try {
            Session small(model, nbytes, smaller, 0xff);
            expect(checksum_of_run(&small) == first, "a smaller arena changes outputs");
        } catch (const Error &) {
            continue;
        }
    }
    return first;
}

uint32_t u32_at(const std::vector<uint8_t> &data, size_t at) {
    uint32_t value = 0;
    memcpy(&value, data.data() + at, sizeof value);
    return value;
}

std::vector<uint8_t> read_file(const char *path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error(std::string("cannot read ") + path);
    }
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

int run_corpus(const std::vector<uint8_t> &corpus, int first, unsigned seconds) {
    size_t at = 0;
    for (int number = 0; at + 8 <= corpus.size(); ++number) {
        const size_t arena_nbytes = u32_at(corpus, at), nbytes = u32_at(corpus, at + 4);
        // A copy without spare bytes, so that reading beyond the model's end is seen.
        const size_t start = at + 8;
        at = start + nbytes;
        if (number < first || at > corpus.size()) {
            continue;
        }
        current_case = number;
        alarm(seconds);
        try {
            printf("%d ok %08x\n", number, run_case(corpus.data() + start, nbytes, arena_nbytes));
        } catch (const Error &error) {
            printf("%d refused %s\n", number, error.what());
        } catch (const BrokenPromise &error) {
            printf("%d failed %s\n", number, error.what());
            fflush(stdout);
            return 1;
        }
        alarm(0);
        fflush(stdout);
    }
    return 0;
}

}  // namespace

int main(int count, char **arguments) {
    if (count < 2) {
        fputs("usage: fuzz_native CORPUS [FIRST] [SECONDS]\n", stderr);
        return 2;
    }
    signal(SIGALRM, on_alarm);
    try {
        const int first = count > 2 ? atoi(arguments[2]) : 0;
        const int seconds = count > 3 ? atoi(arguments[3]) : kDefaultSeconds;
        return run_corpus(read_file(arguments[1]), first, static_cast<unsigned>(seconds));
    } catch (const std::exception &error) {
        fprintf(stderr, "fuzz_native: %s\n", error.what());
        return 2;
    }
}
