// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "common/process_start.hpp"
#include "subcommands.hpp"

#include <ivshmem/error.hpp>

#include <cstdio>
#include <exception>

namespace ivshmemctl {
namespace {

int run(int argc, char** argv) {
    subcommands line;
    for (const auto add :
         {add_bench, add_bind,   add_conformance, add_connect, add_doctor, add_dump,
          add_fill,  add_info,   add_monitor,     add_offer,   add_peers,  add_ping,
          add_pub,   add_read,   add_ring,        add_serve,   add_share,  add_state,
          add_sub,   add_topics, add_unbind,      add_wait,    add_write})
        add(line);
    return line.run(argc, argv);
}

} // namespace

void complain(const std::string& line) {
    std::fflush(stdout); // results come before messages
    tools::print_error("ivshmemctl: {}\n", line);
}

} // namespace ivshmemctl

int main(int argc, char** argv) {
    tools::prepare_process();
    try {
        return ivshmemctl::run(argc, argv);
    } catch (const ivshmem::error& e) {
        ivshmemctl::complain(e.what());
        return e.code() == ivshmem::errc::device_not_found ? tools::exit_none_found
                                                           : tools::exit_failure;
    } catch (const std::exception& e) {
        ivshmemctl::complain(e.what());
        return tools::exit_failure;
    }
}
