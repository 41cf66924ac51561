// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/api.hpp"
#include "c/bytes.hpp"
#include "c/failures.hpp"
#include "c/handles.hpp"
#include "c/slot_object.hpp"
#include "c/structs.hpp"

#include <ivshmem/topic_writer.hpp>

#include <memory>

namespace ivshmem::capi {
namespace {

struct topic_writer_object {
    using handle_type = ivshmem_topic_writer;
    static constexpr handle_kind kind = handle_kind::topic_writer;

    std::shared_ptr<held_slot> in;
    topic_writer writer;
};

topic_options topic_options_from(const ivshmem_topic_options& given) {
    topic_options result;
    result.size = given.ring_size;
    result.messages = given.messages;
    result.relayed = given.relayed != 0;
    result.max_message = given.max_message;
    result.pinning_readers = given.pinning_readers;
    if (given.pins_each != 0)
        result.pins_each = given.pins_each;
    return result;
}

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_topic_writer_open(ivshmem_slot* slot, const char* name,
                              const ivshmem_topic_options* options, ivshmem_topic_writer** writer) {
    return guarded([&] {
        const auto& held = use<slot_object>(slot).held;
        require(name);
        require(writer);
        const auto wanted = topic_options_from(options_from(options));
        *writer = make_handle(std::unique_ptr<topic_writer_object>{new topic_writer_object{
            held, ivshmem::topic_writer::create(held->slot, name, wanted)}});
    });
}

int ivshmem_topic_writer_close(ivshmem_topic_writer* writer) {
    return guarded([&] { end_handle<topic_writer_object>(writer); });
}

int ivshmem_topic_writer_get_facts(ivshmem_topic_writer* writer,
                                   ivshmem_topic_writer_facts* facts) {
    return guarded([&] {
        const auto& of = use<topic_writer_object>(writer).writer;
        ivshmem_topic_writer_facts result{};
        result.max_message = of.max_message();
        result.sequence = of.sequence();
        result.rings = of.rings();
        give_facts(result, facts);
    });
}

int ivshmem_topic_writer_publish(ivshmem_topic_writer* writer, const void* message, size_t length) {
    return guarded([&] {
        auto& of = use<topic_writer_object>(writer);
        of.writer.publish(bytes_of(message, length));
    });
}

int ivshmem_topic_writer_loan(ivshmem_topic_writer* writer, size_t length, void** memory) {
    return guarded([&] {
        auto& of = use<topic_writer_object>(writer);
        require(memory);
        *memory = of.writer.loan(length).data();
    });
}

int ivshmem_topic_writer_publish_loan(ivshmem_topic_writer* writer) {
    return guarded([&] { use<topic_writer_object>(writer).writer.publish(); });
}

} // extern "C"
