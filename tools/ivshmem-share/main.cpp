// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/share_protocol.hpp"
#include "base/text.hpp"
#include "common/process_start.hpp"
#include "descriptor_store.hpp"
#include "held_device.hpp"
#include "options.hpp"
#include "service/descriptor_limit.hpp"
#include "service/listener.hpp"
#include "service/log.hpp"
#include "service/systemd.hpp"
#include "sharer.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
namespace protocol = ivshmem::share_protocol;
using ivshmem::failure;
using ivshmem::unique_fd;

/// Creates the socket's folder, which root alone may write to, and the socket.
service::listener listen(const ivshmem_share::options& o, const std::string& name, failure& f) {
    const std::string path = o.socket.empty() ? "/run/ivshmem/share/" + name : o.socket;
    if (o.socket.empty())
        for (const char* const folder : {"/run/ivshmem", "/run/ivshmem/share"})
            ::mkdir(folder, 0755); // bind() reports a failure
    const mode_t before = ::umask(0177);
    auto made = service::listener::open(path, f, SOCK_SEQPACKET);
    ::umask(before);
    if (f || o.group.empty())
        return made;
    const ::group* const group = ::getgrnam(o.group.c_str());
    if (group == nullptr)
        f.set(std::make_error_code(std::errc::invalid_argument),
              ivshmem::formatted("{}: there is no such group (--group)", o.group));
    else if (::chown(path.c_str(), static_cast<uid_t>(-1), group->gr_gid) != 0 ||
             ::chmod(path.c_str(), 0660) != 0)
        f.set_errno(errno, "{}: cannot let the group {} connect", path, o.group);
    return made;
}

/// Lets the programs that wait know why the device is not shared: systemd started the service
/// because of them.
void refuse_all(int listening, const failure& why) {
    protocol::packet refusal{.what = protocol::packet_kind::refused,
                             .value = static_cast<std::uint32_t>(why.code().value()),
                             .other = why.code().category() == std::system_category() ? 1U : 0U};
    protocol::put_text(refusal.text, why.message());
    pollfd pending{listening, POLLIN, 0};
    while (::poll(&pending, 1, 0) == 1) {
        const unique_fd one{::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC)};
        if (!one)
            break;
        protocol::send(one.get(), refusal);
    }
}

ivshmem_share::limits limits_of(const ivshmem_share::options& o, std::uint32_t interrupts,
                                failure& f) {
    constexpr std::size_t reserve = 64; // the device, the socket, the log
    const std::size_t most = service::raise_descriptor_limit(f) - reserve;
    return {.programs = std::min<std::size_t>(o.max_programs,
                                              std::max<std::size_t>(most / (interrupts + 1), 1)),
            .programs_per_user = o.max_programs_per_user};
}

void serve(const ivshmem_share::options& o, std::optional<unique_fd> passed,
           ivshmem_share::descriptor_store& store, failure& f) {
    // First, so that a signal never finds anything to clean up.
    asio::io_context io{1};
    asio::signal_set signals{io, SIGTERM, SIGINT, SIGHUP};
    const auto which = [&] {
        std::error_code ec;
        auto parsed = ivshmem::selector::parse(o.device, ec);
        if (ec)
            f.set(ec, o.device + ": " + ec.message());
        return parsed;
    }();
    auto device = f ? ivshmem_share::held_device{}
                    : ivshmem_share::held_device::open(which, o.root, store, f);
    if (f) {
        if (passed)
            refuse_all(passed->get(), f);
        return;
    }
    const auto most = limits_of(o, device.facts().interrupts, f);
    if (f)
        return;
    std::optional<service::listener> listener;
    listener.emplace(passed ? service::listener::adopt(std::move(*passed))
                            : listen(o, device.name(), f));
    if (f)
        return;
    service::log::info("sharing {} ({}) at {}: {} bytes, vectors: {}, programs: at most {}",
                       device.name(), protocol::get_text(device.facts().source), listener->name(),
                       device.facts().memory, device.facts().interrupts, most.programs);
    ivshmem_share::sharer sharer{io, unique_fd{listener->release()}, device, store, most};
    signals.async_wait([&](const boost::system::error_code& cancelled, int number) {
        if (cancelled)
            return;
        service::systemd::notify("STOPPING=1");
        service::log::info("ending: signal {}", number);
        sharer.stop();
    });
    service::systemd::notify(ivshmem::formatted("READY=1\nMAINPID={}", ::getpid()));
    sharer.on_stop([&] { signals.cancel(); });
    io.run();
}

} // namespace

int main(int argc, char* argv[]) {
    tools::prepare_process();
    service::log::name_program("ivshmem-share");
    const auto parsed = ivshmem_share::parse(argc, argv);
    if (const int* const code = std::get_if<int>(&parsed))
        return *code;
    const auto& o = std::get<ivshmem_share::options>(parsed);
    if (o.verbose)
        service::log::be_verbose();
    std::signal(SIGPIPE, SIG_IGN); // a closed log must not end the service
    try {
        failure f;
        std::optional<unique_fd> socket;
        ivshmem_share::descriptor_store store{service::systemd::passed_descriptors(), socket, f};
        if (!f)
            serve(o, std::move(socket), store, f);
        if (!f)
            return EXIT_SUCCESS;
        service::log::error("{}", f.message());
    } catch (const std::exception& e) {
        service::log::error("had to stop: {}", e.what());
    }
    return EXIT_FAILURE;
}
