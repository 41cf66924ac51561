// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"
#include "helpers/has.hpp"
#include "vm.hpp"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// The command line, and sockets that systemd passes.

using namespace host;
using ivshmem::unique_fd;
using test::has;

TEST_CASE("-h shows every option and profile") {
    const outcome o = run_device({GENERATE("-h", "--help")});
    CHECK(o.code == 0);
    for (const char* text :
         {"-h,--help",     "-V,--version", "-v,--verbose", "-S,--socket",      "-n,--vectors",
          "-l,--size",     "--server",     "--id",         "--region",         "--late",
          "--intx",        "--max-peers",  "--protocol",   "--state-size",     "--rw-size",
          "--output-size", "--protect",    "--no-bar2",    "cloud-hypervisor", "revision-0",
          "acrn-hv",       "acrn-dm",      "--express",    "since 10.1",       "Exit codes: 0"})
        CHECK(has(o.output, text));
    const outcome version = run_device({"-V"});
    CHECK(version.code == 0);
    CHECK_THAT(version.output, Catch::Matchers::StartsWith("ivshmem-device "));
}

TEST_CASE("a bad option is refused by name, and nothing starts") {
    struct example {
        std::vector<std::string> options;
        const char* said;
    };
    const auto e = GENERATE(
        example{{}, "PROFILE"}, example{{"v3"}, "unknown profile \"v3\"; there are v2, qemu"},
        example{{"v2", "qemu"}, "qemu"}, example{{"v2", "--size", "4M"}, "the profile v2 has no"},
        example{{"qemu", "--rw-size", "4K"}, "--rw-size: the profile qemu has no such option"},
        example{{"acrn-hv", "-n", "4"}, "--vectors: the profile acrn-hv has no"},
        example{{"v2", "--rw-size", "4097"}, "--rw-size: a section is a multiple of the page"},
        example{{"v2", "--output-size", "100"}, "--output-size: a section is a multiple"},
        example{{"v2", "--state-size", "4095"}, "--state-size: a section is a multiple"},
        example{{"v2", "--state-size", "4096", "--max-peers", "1025"},
                "--state-size: each of the 1025 peers needs 4 bytes"},
        example{{"v2", "--state-size", "4G"}, "--state-size: the capability has 32 bits"},
        example{{"v2", "--output-size", "60T"}, "the sections take more than 64 TiB"},
        example{{"v2", "--rw-size", "four"}, "--rw-size: "},
        example{{"v2", "--max-peers", "1"}, "--max-peers: "},
        example{{"v2", "--max-peers", "65537"}, "--max-peers: "},
        example{{"v2", "--protocol", "65536"}, "--protocol"},
        example{{"v2", "-n", "0"}, "--vectors: the profile v2 has 1 to 256"},
        example{{"v2", "-n", "257"}, "--vectors: "},
        example{{"v2", "-n", "2", "--intx"}, "--vectors: INTx has none"},
        example{{"qemu", "--size", "0"}, "--size: the shared memory cannot have 0 bytes"},
        example{{"qemu", "--size", "100T"}, "--size: a BAR has at most 64 TiB"},
        example{{"qemu", "--server", "x", "--size", "1M"}, "--size: the memory is that of"},
        example{{"acrn-dm", "--size", "1M"}, "2M to 512M, a power of two"},
        example{{"acrn-dm", "--size", "3M"}, "2M to 512M, a power of two"},
        example{{"acrn-dm", "--size", "1G"}, "2M to 512M, a power of two"},
        example{{"v2", "--server", "x"}, "--server: the profile v2 has no such option"},
        example{{"acrn-hv", "--id", "65536"}, "--id"}, example{{"qemu", "-S", ""}, "--socket: "},
        example{{"qemu", "-S", "/tmp/vm"}, "two VMs have the same socket"},
        example{{"qemu", "-S", "/tmp/../tmp/./vm"}, "two VMs have the same socket"},
        example{{"v2", "--max-peers", "2", "-S", "/tmp/b", "-S", "/tmp/c"},
                "more sockets than --max-peers"});
    auto options = e.options;
    options.insert(options.end(), {"-S", "/tmp/vm"});
    const outcome o = run_device(options);
    CHECK(o.code == 1);
    CHECK(has(o.output, e.said));
    CHECK(has(o.output, "Try 'ivshmem-device -h'."));
}

TEST_CASE("a VM needs a socket, and its path must be possible") {
    CHECK(has(run_device({"qemu"}).output, "--socket: name a socket for each VM"));
    const outcome absent = run_device({"qemu", "-S", "/nonexistent/folder/socket"});
    CHECK(absent.code == 1);
    CHECK(has(absent.output, "/nonexistent/folder/socket: cannot create the socket there"));
    CHECK(has(run_device({"acrn-hv", "--id", "65535", "-S", "/tmp/a", "-S", "/tmp/b"}).output,
              "--id: the last VM's id would be above 65535"));
}

TEST_CASE("the log describes the sections, and says if they are not protected") {
    running_device open{{"v2"}};
    CHECK(open.says("states 4096, read/write 1048576, output 262144 for each of 2 peers"));
    CHECK(open.says("sections of other VMs are writable for each VM (see --protect)"));
    running_device safe{{"v2", "--protect"}};
    CHECK(safe.says("bytes, protected"));
}

TEST_CASE("sockets that systemd passes are those of the VMs, in their order") {
    const temporary_folder folder;
    const auto listening = [&](const std::string& name) {
        unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = folder / name;
        std::copy(path.begin(), path.end(), std::begin(address.sun_path));
        REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(fd.get(), 10) == 0);
        return fd;
    };
    const unique_fd first = listening("first");
    const unique_fd second = listening("second");
    process program{{IVSHMEM_DEVICE, "qemu"}, folder / "log", [&] {
                        // Out of the way, as 3 or 4 may be one of them.
                        const int low = ::fcntl(first.get(), F_DUPFD, 10);
                        const int high = ::fcntl(second.get(), F_DUPFD, 11);
                        ::dup2(low, 3);
                        ::dup2(high, 4);
                        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
                        ::setenv("LISTEN_FDS", "2", 1);
                    }};
    REQUIRE(program.says("VM 1: listening on " + (folder / "second")));
    CHECK(vm{folder / "first"}.get(registers, 8) == 0);
    CHECK(vm{folder / "second"}.get(registers, 8) == 1);
    program.signal(SIGTERM);
    CHECK(program.wait() == 0);
    CHECK(std::filesystem::exists(folder / "first")); // systemd's
}
