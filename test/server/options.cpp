// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"
#include "helpers/catch.hpp"
#include "run.hpp"

// The command line. server/memory.cpp tests the memory for -l, -M and -m.

using namespace host;

TEST_CASE("-h shows every option, its default, and the exit codes") {
    const auto option = GENERATE("-h", "--help");
    const outcome o = run_server({option});
    CHECK(o.code == 0);
    for (const char* text :
         {"-h,--help", "-c,--config", "-v,--verbose", "-F,--foreground", "-p,--pid-file",
          "-S,--socket", "-M,--shm-name", "-m,--directory", "-l,--size", "-n,--vectors",
          "--max-clients", "--no-departures", "--stall-timeout", "/tmp/ivshmem_socket",
          "/var/run/ivshmem-server.pid", "4194304", "sealed memfd", "Exit codes: 0"})
        CHECK(has(o.output, text));
    const outcome version = run_server({"-V"});
    CHECK(version.code == 0);
    CHECK_THAT(version.output, Catch::Matchers::StartsWith("ivshmem-server "));
}

TEST_CASE("a bad option is refused by name") {
    struct example {
        std::vector<std::string> options;
        const char* said;
    };
    const auto e = GENERATE(
        example{{"-l", "0"}, "--size: the shared memory cannot have 0 bytes"},
        example{{"-l", "0K"}, "--size: the shared memory cannot have 0 bytes"},
        example{{"-l", "4Q"}, "--size: "}, example{{"-l", "four"}, "--size: "},
        example{{"-l", "-1"}, "--size: "}, example{{"-l", "99999999999T"}, "--size: "},
        example{{"-l"}, "--size"}, example{{"-n", "0"}, "--vectors: Value 0 not in range"},
        example{{"-n", "257"}, "--vectors: Value 257 not in range"},
        example{{"-n", "x"}, "--vectors: "}, example{{"--max-clients", "0"}, "--max-clients: "},
        example{{"--max-clients", "65537"}, "--max-clients: "},
        example{{"--stall-timeout", "-1"}, "--stall-timeout: "},
        example{{"-M", ""}, "--shm-name: the name is empty"},
        example{{"-M", "a", "-m", "b"}, "excludes"}, example{{"-S", ""}, "--socket: "},
        example{{"-x"}, "-x"}, example{{"argument"}, "argument"});
    auto options = e.options;
    options.insert(options.begin(), "-F"); // in the foreground, in case it starts
    const outcome o = run_server(options);
    CHECK(o.code == 1);
    CHECK(has(o.output, e.said));
    CHECK(has(o.output, "Try 'ivshmem-server -h'."));
}

TEST_CASE("options are accepted as by QEMU's server") {
    const temporary_folder folder;
    // Joined, attached and repeated options: the last one counts.
    process program{
        {server_program(), "-vF", "-l1M", "-l", "2M", "-n", "9", "-n3", "-S" + (folder / "socket")},
        folder / "log"};
    REQUIRE(program.says("2097152 bytes (memfd), vectors: 3"));
    raw_client c{folder / "socket"};
    CHECK(c.joined(3));
}

TEST_CASE("as many vectors as QEMU can ring are served") {
    const auto vectors = GENERATE(1, 64, 256);
    running_server server{{"-n", std::to_string(vectors)}};
    raw_client c{server.socket()};
    CHECK(c.joined(static_cast<std::size_t>(vectors)));
    CHECK(c.wrong().empty());
}
