// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/backend_kind.hpp>
#include <ivshmem/cache_mode.hpp>
#include <ivshmem/detail/doorbell_page.hpp>
#include <ivshmem/detail/publish.hpp>
#include <ivshmem/device_info.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/event.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/region_geometry.hpp>
#include <ivshmem/selector.hpp>
#include <ivshmem/shared_memory.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace ivshmem {

/// Chooses how a device is opened. The library chooses a value for each empty field, and reports
/// it.
struct open_options {
    /// Insists on a backend; empty: the bound driver decides.
    std::optional<backend_kind> backend{};
    /// Insists on a cache mode; opening fails with errc::cache_mode_unavailable if the memory
    /// cannot be mapped so. Empty: the best that can be mapped, in the order of cache_mode.
    ///
    /// @par /dev/mem
    /// Write-back goes through `/dev/mem`. The library opens it, with O_RDWR | O_CLOEXEC, if and
    /// only if all of these hold: the device is a PCI device (backend vfio or uio); this field is
    /// empty or cache_mode::write_back; the processor is an x86; BAR2 lies at 4 GiB or above. It
    /// maps the bytes of BAR2 and no others, and closes the descriptor before open() returns. The
    /// kernel lets only a process with CAP_SYS_RAWIO that may write to the node open it, which is
    /// root as a rule; for others (EACCES, EPERM), and under kernel lockdown (EPERM), the next mode
    /// is tried. shared_memory::reason() says which way was taken.
    /// @par
    /// cache_mode::write_combining and cache_mode::uncached never open `/dev/mem`; nor does the
    /// server backend.
    std::optional<cache_mode> cache{};
    /// Maps this part of the memory only; shared_memory::bytes() are its bytes. Its offset must be
    /// a multiple of the page size. Empty: maps all. The kernel fills in the page tables of a PCI
    /// device's memory at once: 2 MiB for each GiB. A slot needs a part from 0 on. On ivshmem-v2 it
    /// is a part of the read/write section; the other sections are mapped whole.
    std::optional<memory_region> part{};
    /// How long to wait for a revision 0 device to get its id, or for the first messages of a
    /// server. Must be positive.
    std::chrono::milliseconds timeout{2000};
    /// server: takes memory that is not sealed against shrinking, as that of QEMU's own server, and
    /// of ivshmem-server with `-m` or `-M`. Any process that has such memory can shrink it, and
    /// then SIGBUS ends every process that touches the lost part: set this only for a server of
    /// which the user trusts all clients. Otherwise opening fails with errc::memory_unsealed.
    bool trust_server = false;
    /// server: the number of vectors of this process, which the protocol does not contain. 0 takes
    /// the number that the other peers have; without another peer, all vectors that come until the
    /// server has been silent for `settle`.
    std::uint32_t vectors = 0;
    /// server: see `vectors`; vectors of this process that come later are not used.
    std::chrono::milliseconds settle{100};
    /// The directory that holds `sys`, `dev` and `proc`.
    std::filesystem::path root{"/"};
};

/// The abilities of an open device. Backends differ in this table, never in the interface.
struct device_capabilities {
    bool ring = false;            ///< ring() reaches other peers
    std::uint32_t interrupts = 0; ///< the vectors that can be waited for: 0 to interrupts-1
    bool removal_events = false;  ///< event::kind::removal_requested is reported
    bool peer_events = false;     ///< peers() and event::kind::peer_joined, peer_left
    bool state_events = false;    ///< ivshmem-v2: event::kind::state_changed is reported
};

/// A vector that was rung, and the number of rings.
struct interrupt_count {
    std::uint16_t vector = 0;
    std::uint64_t count = 0; ///< rings since the last look; several may have become one

    bool operator==(const interrupt_count&) const = default;
};

/// A program that shares a device, as ivshmem-share knows it.
struct device_user {
    std::uint32_t process = 0; ///< its id
    std::uint32_t user = 0;    ///< its user's id
    std::string use;           ///< its name, and the vectors and slots that it has

    bool operator==(const device_user&) const = default;
};

namespace detail {
class device_reference;
class device_maker;
} // namespace detail

/// An open inter-VM shared memory device, or a place at an ivshmem server.
///
/// Devices of both generations have this interface. Only those of ivshmem-v2 have states and output
/// sections; the functions for them fail on others with an errc of their own.
///
/// Interrupts are hints: rings to absent peers vanish, early or masked ones may be dropped,
/// several may become one. So wait like this: look at the memory, wait, look again.
///
/// After fork() the device belongs to the parent: in the child every member that can fail fails
/// with errc::forked; the facts stay readable, and close() releases the child's copies only.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe, except that any number of threads
/// may ring, take, wait, ask for events and peers, and call the const members, as long as none
/// closes, moves or destroys the device. Of several threads that take the same rings or events,
/// any one gets them.
class IVSHMEM_API device {
  public:
    class IVSHMEM_HIDDEN impl;

    /// A closed device.
    device() noexcept;
    device(device&& other) noexcept;
    device& operator=(device&& other) noexcept;
    device(const device&) = delete;
    device& operator=(const device&) = delete;
    /// As close().
    ~device();

    /// Opens the device that `which` selects: maps its registers and its memory, and sets up all of
    /// its interrupt vectors. Blocks for options.timeout at most.
    ///
    /// Nothing stays open or changed after a failure.
    ///
    /// @throws error
    /// Finding the device: errc::sysfs_unavailable, device_not_found, device_ambiguous,
    /// bad_selector. What it is: protocol_unsupported, bar_missing, driver_unsuitable,
    /// sections_invalid. Opening it:
    /// iommu_missing, group_not_viable, device_busy, permission_denied, locked_down,
    /// cache_mode_unavailable, position_timeout, device_gone. Joining a server: server_unreachable,
    /// server_version, server_protocol, server_closed, timed_out, memory_unsealed. All:
    /// descriptor_limit, or a system error (a timeout that is not positive is
    /// std::errc::invalid_argument).
    [[nodiscard]] static device open(const selector& which, const open_options& options = {});
    [[nodiscard]] static device open(const selector& which, const open_options& options,
                                     std::error_code& ec);
    [[nodiscard]] static device open(const selector& which, std::error_code& ec) {
        return open(which, open_options{}, ec);
    }
    /// The same for text, as selector::parse() takes it; errc::bad_selector is reported too.
    template <std::convertible_to<std::string_view> Text>
    [[nodiscard]] static device open(const Text& which, const open_options& options,
                                     std::error_code& ec) {
        const selector parsed = selector::parse(which, ec);
        return ec ? device{} : open(parsed, options, ec);
    }
    template <std::convertible_to<std::string_view> Text>
    [[nodiscard]] static device open(const Text& which, std::error_code& ec) {
        return open(which, open_options{}, ec);
    }

    [[nodiscard]] bool is_open() const noexcept { return impl_ != nullptr; }
    /// Unmaps the memory, stops the interrupts and closes every descriptor that the device handed
    /// out. On ivshmem-v2 it first sets the state to 0, so that the other peers notice. I/O objects
    /// that wait on the device must be closed or destroyed before it. A slot, or a channel, that
    /// was made from the device keeps all of this until it is closed too.
    void close() noexcept;

    /// @name Facts, fixed while the device is open
    /// @pre is_open()
    /// @{
    [[nodiscard]] backend_kind backend() const noexcept;
    /// How the backend reaches the device, in words: "vfio, IOMMU group 7", "igb_uio", "server
    /// /tmp/ivshmem_socket".
    [[nodiscard]] const std::string& description() const noexcept;
    /// The facts that sysfs reported about the PCI device when it was opened; nullptr on the server
    /// backend.
    [[nodiscard]] const device_info* info() const noexcept;
    [[nodiscard]] const device_capabilities& capabilities() const noexcept;
    /// The register interface; v1 on the server backend.
    [[nodiscard]] device_generation generation() const noexcept;
    /// This peer's id: the register IVPosition (ivshmem-spec.rst, "Registers"; 0..65535), or the id
    /// that the server assigned. On a plain device it is 0 and has no meaning. ACRN: the VM's id.
    /// ivshmem-v2: the register ID, 0..max_peers()-1 (ivshmem-v2-specification.md, "ID Register").
    [[nodiscard]] std::uint16_t id() const noexcept;
    /// How many vectors the device has, 0 on a plain device. How many of them can be waited for is
    /// capabilities().interrupts. Other peers may have more or fewer; on ivshmem-v2 all have as
    /// many.
    [[nodiscard]] std::uint32_t vectors() const noexcept;
    /// One more than the highest id that a peer can have. ivshmem-v2: the register Maximum Peers,
    /// 2..65536 (ivshmem-v2-specification.md, "Maximum Peers Register"); others: 65536.
    [[nodiscard]] std::uint32_t max_peers() const noexcept;
    /// ivshmem-v2: the number of the protocol that the peers are to use, which the hypervisor
    /// configured (ivshmem-v2-specification.md, "Protocols"): 0 none, 1 Ethernet, 0x4000..0x7fff
    /// the user's own, from 0x8000 on virtio. The library itself makes no use of it. Empty on
    /// others.
    [[nodiscard]] std::optional<std::uint16_t> protocol() const noexcept;
    /// The shared memory. The view is valid until the device is closed; moving keeps it.
    ///
    /// On ivshmem-v2 it is the read/write section, which every peer may write, and which may be
    /// empty (ivshmem-v2-specification.md, "Shared Memory Region Layout"); its mode() and reason()
    /// hold for output_sections() too.
    ///
    /// Channels use all of it, unless slot_options::region gives them a part. A program that also
    /// claims slots here must write to slot::application_memory() only.
    ///
    /// Memory of a server is a file of the host. If it is sealed (F_SEAL_SHRINK), as that of
    /// ivshmem-server is by default, its bytes stay. Other memory (open_options::trust_server) can
    /// be shrunk by any process that has it: a later access raises SIGBUS, which ends a program
    /// that has no handler. The library installs no signal handler.
    ///
    /// Unplugging: vfio holds the removal back until the device is closed, so that until then the
    /// memory is safe to touch. The uio backend cannot: the device goes at once, and from then on
    /// loads give 0 or all ones, stores and ring() reach nothing or, worse, whatever comes to the
    /// same address next; a kernel may raise SIGBUS instead. A device_monitor reports that after
    /// it has happened. To be safe, bind the device to vfio-pci, or end the program before the
    /// device is unplugged.
    [[nodiscard]] const shared_memory& memory() const noexcept;
    /// @}

    /// Interrupts a peer: writes peer << 16 | vector to the register Doorbell (ivshmem-spec.rst,
    /// "Registers"), after a fence that makes earlier stores to the memory visible.
    ///
    /// Best effort, as in the hardware: if the peer is absent, has fewer vectors or has not enabled
    /// them, nothing happens and no error is reported. A device can ring its own id. The registers
    /// of ivshmem-v2 have Doorbell at the same place (ivshmem-v2-specification.md, "Doorbell
    /// Register"). QEMU drops
    /// rings on vectors that the ringing device itself lacks (its property `vectors`), whatever
    /// the peer has: on its devices such vectors are out of range. Give all devices as many.
    ///
    /// Makes no system call and no allocation if the register could be mapped.
    ///
    /// @param peer 0..65535.
    /// @param vector server: 0..65535. PCI: below 256, or vectors() if that is more (QEMU rings
    ///        vector & 255 if the peer lacks it); on QEMU's own device, and on ivshmem-v2, below
    ///        vectors(), if known.
    /// @throws error errc::peer_out_of_range, errc::vector_out_of_range,
    ///         errc::doorbell_unsupported (a plain device), errc::forked, errc::closed.
    void ring(std::uint32_t peer, std::uint32_t vector) {
        if (!try_ring(peer, vector)) [[unlikely]]
            ring_slowly(peer, vector);
    }
    void ring(std::uint32_t peer, std::uint32_t vector, std::error_code& ec) {
        if (try_ring(peer, vector)) [[likely]]
            ec.clear();
        else
            ring_slowly(peer, vector, ec);
    }

    /// @name Interrupts
    ///
    /// On ivshmem-v2 a change of the state of a peer is a ring of vector 0 too. A device whose
    /// interrupts are one-shot, and cannot be switched to continuous ones, reports the rings of all
    /// vectors as those of vector 0, as does a UIO node; capabilities().interrupts is 1 then.
    /// @{

    /// A descriptor that polls readable (POLLIN) while rings of this vector wait to be taken. For
    /// event loops; it belongs to the device: do not read, write or close it. After a wake-up call
    /// take(): a descriptor may become readable with nothing to take, or because the device goes
    /// away.
    /// @param vector 0..capabilities().interrupts-1
    /// @throws error errc::interrupts_unsupported, errc::vector_out_of_range, errc::forked,
    ///         errc::closed; errc::descriptor_limit, as the first call makes the descriptor.
    [[nodiscard]] int interrupt_fd(std::uint32_t vector) const;
    [[nodiscard]] int interrupt_fd(std::uint32_t vector, std::error_code& ec) const;

    /// Takes the rings of a vector that arrived since the last take. Never blocks.
    /// @return Their number, 0 if there were none. Several rings may have become one.
    /// @throws error as interrupt_fd(), and errc::device_removed.
    std::uint64_t take(std::uint32_t vector);
    std::uint64_t take(std::uint32_t vector, std::error_code& ec);

    /// Blocks until the vector is rung or the time is over; a signal does not end the wait.
    /// @param timeout Negative: no limit.
    /// @return The number of rings, as take(); 0 only with an error.
    /// @throws error as take(), and errc::timed_out.
    std::uint64_t wait(std::uint32_t vector, std::chrono::milliseconds timeout);
    std::uint64_t wait(std::uint32_t vector, std::chrono::milliseconds timeout,
                       std::error_code& ec);

    /// As interrupt_fd(), for all vectors at once.
    [[nodiscard]] int any_interrupt_fd() const;
    [[nodiscard]] int any_interrupt_fd(std::error_code& ec) const;
    /// Takes the rings of one vector that has some; in turn if several have. Never blocks.
    /// @throws error as take().
    std::optional<interrupt_count> take_any();
    std::optional<interrupt_count> take_any(std::error_code& ec);
    /// @}

    /// @name Events
    /// @{

    /// A descriptor that polls readable while events wait to be taken; as interrupt_fd().
    /// @throws error errc::events_unsupported, errc::forked, errc::closed.
    [[nodiscard]] int event_fd() const;
    [[nodiscard]] int event_fd(std::error_code& ec) const;
    /// Takes the next event; nothing if there is none. Never blocks. A join and a leave that were
    /// both pending are dropped together, and several changes of the state of a peer become one
    /// event, which bounds the queue.
    /// @throws error as event_fd(); after the last possible event, its cause: errc::device_removed;
    /// errc::server_closed; errc::descriptor_limit (no descriptor was free for the vectors of a
    /// peer that joined); errc::server_protocol.
    std::optional<event> next_event();
    std::optional<event> next_event(std::error_code& ec);
    /// The ids of the other peers that are connected now, ascending; on ivshmem-v2, of those whose
    /// state is not 0.
    /// @throws error errc::peers_unsupported (PCI devices of v1 cannot list peers), errc::forked,
    /// errc::closed.
    [[nodiscard]] std::vector<std::uint16_t> peers();
    [[nodiscard]] std::vector<std::uint16_t> peers(std::error_code& ec);
    /// The programs of this machine that share the device through ivshmem-share, with this one.
    /// Empty if this program has the device alone.
    /// @throws error errc::server_closed, errc::timed_out (open_options::timeout), errc::forked,
    /// errc::closed.
    [[nodiscard]] std::vector<device_user> users();
    [[nodiscard]] std::vector<device_user> users(std::error_code& ec);
    /// @}

    /// @name States (ivshmem-v2)
    ///
    /// Each peer has a state, a number that all peers can read. 0 means that the device of that
    /// peer is not in use: after a reset of the device, before its user sets a state, and after the
    /// end of its VM. The peers' own protocol decides what other values mean. The library sets the
    /// state to 0 when it opens the device and when it closes it; a slot sets it to 1, if it is 0,
    /// while it is held. What a process that is killed leaves behind depends on the driver:
    /// uio_ivshmem sets the state to 0, and vfio-pci if the kernel can reset the device, for
    /// example one that is alone behind a PCI Express port; otherwise it stays until the device is
    /// opened again, or the VM ends. Of the programs that share a device, one has the state while
    /// it is not 0 or the slot is held (ivshmem-share(8)); opening and closing leave it alone.
    /// @{

    /// Reads this peer's own state (ivshmem-v2-specification.md, "State Register").
    /// @throws error errc::states_unsupported, errc::device_gone, errc::forked, errc::closed.
    [[nodiscard]] std::uint32_t state() const;
    [[nodiscard]] std::uint32_t state(std::error_code& ec) const;
    /// Sets this peer's own state, after a fence that makes earlier stores to the memory visible.
    /// If it changes, the device rings vector 0 of every other peer.
    /// @param value 0..2^32-1; 0: this peer is not there.
    /// @throws error as state(); errc::slot_in_use if another program of those that share the
    /// device has the state; a system error if the register cannot be written.
    void set_state(std::uint32_t value);
    void set_state(std::uint32_t value, std::error_code& ec);
    /// Reads the state of any peer, this one included, from the state table in the memory: no
    /// system call (ivshmem-v2-specification.md, "State Table"). Later loads see what the peer
    /// stored before it set the state.
    /// @param peer 0..max_peers()-1
    /// @throws error as state(), and errc::peer_out_of_range.
    [[nodiscard]] std::uint32_t peer_state(std::uint32_t peer) const;
    [[nodiscard]] std::uint32_t peer_state(std::uint32_t peer, std::error_code& ec) const;
    /// @}

    /// @name Output sections (ivshmem-v2)
    ///
    /// Each peer has a section of the memory that it alone may write, and that all can read
    /// (ivshmem-v2-specification.md, "Shared Memory Region Layout"). All are of the same size,
    /// which may be 0. The views are valid until the device is closed; moving keeps them. Channels
    /// use the whole sections; a program that claims a slot must not write to its own one.
    ///
    /// A store into the section of another peer raises SIGSEGV: the mapping is read-only. Whether
    /// the device itself would stop such a store by a program that maps the memory otherwise
    /// depends on the hypervisor.
    /// @{

    /// Returns this peer's own output section.
    /// @throws error errc::sections_unsupported, errc::forked, errc::closed.
    [[nodiscard]] std::span<std::byte> output_section();
    [[nodiscard]] std::span<std::byte> output_section(std::error_code& ec);
    /// Returns the output section of any peer, this one included.
    /// @param peer 0..max_peers()-1
    /// @throws error as output_section(), and errc::peer_out_of_range.
    [[nodiscard]] std::span<const std::byte> output_section(std::uint32_t peer) const;
    [[nodiscard]] std::span<const std::byte> output_section(std::uint32_t peer,
                                                            std::error_code& ec) const;
    /// Returns the output sections of all peers, one after the other, in the order of the ids.
    /// @throws error as output_section().
    [[nodiscard]] std::span<const std::byte> output_sections() const;
    [[nodiscard]] std::span<const std::byte> output_sections(std::error_code& ec) const;
    /// @}

  private:
    friend class detail::device_reference;
    friend class detail::device_maker;
    friend class slot;
    friend class slot_claim;

    explicit device(std::shared_ptr<impl> opened) noexcept;
    bool try_ring(std::uint32_t peer, std::uint32_t vector) const noexcept {
        return peer <= 0xffffU && detail::ring_inline(*page_, peer, vector);
    }
    void ring_slowly(std::uint32_t peer, std::uint32_t vector) const;
    void ring_slowly(std::uint32_t peer, std::uint32_t vector, std::error_code& ec) const;

    const detail::doorbell_page* page_; ///< never null
    std::shared_ptr<impl> impl_;        ///< shared with slots; I/O objects watch it
};

} // namespace ivshmem
