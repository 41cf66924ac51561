// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Topics between slots over one memory, without Asio: finding, reading, skipping.

#include "topics_fixture.hpp"

#include <chrono>
#include <initializer_list>
#include <map>
#include <random>

using namespace test;

TEST_CASE("a reader finds a topic by its name, whichever of the two comes first") {
    two_holders peers;
    const bool reader_first = GENERATE(true, false);
    std::optional<listener> in;
    if (reader_first) {
        in.emplace(peers.at_b, "clock");
        CHECK(in->reader.state() == topic_state::searching);
        CHECK_FALSE(in->next());
        CHECK_FALSE(in->reader.writer_slot());
    }
    auto out = topic_writer::create(peers.at_a, "clock");
    if (!reader_first)
        in.emplace(peers.at_b, "clock");
    listener other{peers.at_b, "cloc"};
    const auto before = std::chrono::system_clock::now();
    out.publish(bytes("one"));
    const auto after = std::chrono::system_clock::now();
    CHECK(in->next() == "one");
    CHECK(in->last.sequence == 1);
    CHECK(in->last.skipped == 0);
    CHECK(in->last.time >= before);
    CHECK(in->last.time <= after);
    CHECK(in->reader.state() == topic_state::attached);
    CHECK(in->reader.writer_slot() == 0);
    CHECK_FALSE(in->next());
    CHECK_FALSE(other.next());
    CHECK(out.sequence() == 1);
    out.publish({});
    CHECK(in->next() == "");
}

TEST_CASE("a message that is longer than the reader takes is an error, once") {
    two_holders peers;
    auto writer = topic_writer::create(peers.at_a, "long");
    auto reader = topic_reader::open(peers.at_b, "long", {.max_message = 8});
    for (const char* text : {"12345678", "123456789", "1"})
        writer.publish(bytes(text));
    std::vector<std::byte> buffer;
    REQUIRE(reader.try_read(buffer));
    std::error_code ec;
    CHECK_FALSE(reader.try_read(buffer, ec).has_value());
    CHECK(ec == ivshmem::errc::message_too_large);
    CHECK(buffer.size() == 8);
    const auto next = reader.try_read(buffer);
    REQUIRE(next.has_value());
    CHECK(next->sequence == 3);
    CHECK(next->skipped == 1);
}

TEST_CASE("a reader that waited for a topic reads all of it; a late one what it asks for") {
    two_holders peers;
    listener waits{peers.at_b, "clock"};
    auto out = topic_writer::create(peers.at_a, "clock");
    for (const char* text : {"one", "two", "three"})
        out.publish(bytes(text));
    listener late{peers.at_b, "clock"};
    listener with_history{peers.at_b, "clock", 2};
    listener latest{peers.at_b, "clock"};
    CHECK(waits.next() == "one");
    CHECK_FALSE(late.next());
    CHECK(with_history.next() == "two");
    CHECK(with_history.last.skipped == 0);
    std::error_code ec;
    auto newest = latest.reader.try_read_latest(latest.buffer, ec);
    REQUIRE(newest);
    CHECK(newest->sequence == 3);
    CHECK(newest->bytes.size() == 5);
    CHECK_FALSE(latest.reader.try_read_latest(latest.buffer, ec));
    CHECK_FALSE(ec);
    out.publish(bytes("four"));
    out.publish(bytes("five"));
    newest = latest.reader.try_view_latest();
    REQUIRE(newest);
    CHECK(newest->sequence == 5);
    CHECK(newest->skipped == 1);
    CHECK(late.next() == "four");
}

TEST_CASE("a reader does not take a topic for a new one because its writer was away at first") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    for (const char* text : {"one", "two", "three"})
        out.publish(bytes(text));
    const auto header = section_of(peers, 0);
    const auto incarnation = header.load(layout::header::incarnation);
    header.store(layout::header::incarnation, 0);
    listener in{peers.at_b, "clock"};
    listener with_history{peers.at_b, "clock", 1};
    CHECK_FALSE(in.next());
    CHECK_FALSE(with_history.next());
    header.store(layout::header::incarnation, incarnation);
    CHECK_FALSE(in.next());
    CHECK(with_history.next() == "three");
    out.publish(bytes("four"));
    CHECK(in.next() == "four");
    CHECK(in.last.skipped == 0);
    out.close();
    out = topic_writer::create(peers.at_a, "clock"); // this one is new
    out.publish(bytes("five"));
    CHECK(in.end() == errc::topic_closed);
    in.reader.reopen();
    CHECK(in.next() == "five");
}

TEST_CASE("any number of readers, in one slot and in several") {
    two_holders peers{{3, 2, 1024}, std::size_t{3} * 32768};
    const auto c = peers.server.join(3);
    const slot third = claim(c, 2, {3, 2, 1024});
    auto out = topic_writer::create(peers.at_b, "clock");
    std::vector<listener> all;
    for (int i = 0; i < 5; ++i) {
        all.emplace_back(peers.at_a, "clock");
        all.emplace_back(third, "clock");
    }
    for (int i = 0; i < 20; ++i) {
        out.publish(bytes(std::to_string(i)));
        for (auto& each : all)
            if (i % 2 == 0 || &each == &all[3])
                CHECK(each.next() == std::to_string(&each == &all[3] ? i : i / 2));
    }
}

TEST_CASE("sizes to the whole ring, and nothing over it") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock", {.size = 4000, .messages = 4});
    listener in{peers.at_b, "clock"};
    CHECK(out.max_message() == 4032);
    std::error_code ec;
    for (const auto size : std::initializer_list<std::size_t>{0, 1, 63, 64, 65, 4000, 4032}) {
        out.publish(bytes(std::string(size, 'x')));
        CHECK(in.next() == std::string(size, 'x'));
    }
    out.publish(bytes(std::string(4033, 'x')), ec);
    CHECK(ec == errc::message_too_large);
    CHECK(out.loan(4033, ec).empty());
    CHECK(ec == errc::message_too_large);
    out.publish(ec);
    CHECK(ec == errc::not_connected);
    CHECK_FALSE(in.next());
}

TEST_CASE("a loan is memory of the section itself, and a view shows it until it is overwritten") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "frames", {.size = 1024, .messages = 4});
    topic_reader in = topic_reader::open(peers.at_b, "frames");
    const auto lent = out.loan(500);
    std::fill(lent.begin(), lent.end(), std::byte{'f'});
    CHECK_FALSE(in.try_view());
    out.publish();
    const auto view = in.try_view();
    REQUIRE(view);
    REQUIRE(view->bytes.size() == 500);
    CHECK(view->bytes[499] == std::byte{'f'});
    CHECK(in.still_valid(*view));
    std::vector<std::byte> copy(500);
    CHECK(in.copy_out(*view, copy));
    CHECK(copy[0] == std::byte{'f'});
    std::vector<std::byte> too_large(501);
    CHECK_FALSE(in.copy_out(*view, too_large));
    out.publish(bytes("beside"));
    CHECK(in.still_valid(*view));
    CHECK(out.loan(1000).size() == 1000); // over it
    CHECK_FALSE(in.still_valid(*view));
    CHECK_FALSE(in.copy_out(*view, copy));
    CHECK_FALSE(topic_reader{}.still_valid(*view));
}

TEST_CASE("a part of a loan can be published as a copy, which makes the loan void") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "frames", {.size = 1024, .messages = 4});
    listener in{peers.at_b, "frames"};
    CHECK_FALSE(in.next());
    const auto lent = out.loan(400);
    for (std::size_t i = 0; i < lent.size(); ++i)
        lent[i] = static_cast<std::byte>(i);
    out.publish(lent.subspan(3));
    CHECK(in.next());
    CHECK(in.buffer.size() == 397);
    for (std::size_t i = 0; i < in.buffer.size(); ++i)
        REQUIRE(in.buffer[i] == static_cast<std::byte>(i + 3));
    std::error_code ec;
    out.publish(ec);
    CHECK(ec == errc::not_connected);
}

TEST_CASE("a slow reader skips, and the counts are exact") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock", {.size = 2048, .messages = 16});
    listener slow{peers.at_b, "clock"};
    listener fast{peers.at_b, "clock"};
    std::uint64_t read = 0;
    std::mt19937 random{1};
    for (int i = 1; i <= 5000; ++i) {
        out.publish(bytes(std::to_string(i)));
        REQUIRE(fast.next() == std::to_string(i));
        if (random() % 60 == 0)
            while (slow.next()) {
                REQUIRE(slow.text() == std::to_string(slow.last.sequence));
                REQUIRE(++read + slow.reader.skipped() == slow.last.sequence);
            }
    }
    CHECK(fast.reader.skipped() == 0);
    CHECK(slow.reader.skipped() > 0);
}

TEST_CASE("names of topics, and how many there can be") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock", {.size = 64, .messages = 2});
    CHECK(not_created(peers.at_a, "clock") == errc::topic_exists);
    CHECK(not_created(peers.at_b, "clock") == errc::topic_exists);
    CHECK(not_created(peers.at_a, "") == errc::bad_service_name);
    CHECK(not_created(peers.at_a, std::string(60, 'n')) == errc::bad_service_name);
    CHECK(not_created(peers.at_a, "a\nb") == errc::bad_service_name);
    std::error_code ec;
    CHECK_FALSE(topic_reader::open(peers.at_b, "", {}, ec).is_open());
    CHECK(ec == errc::bad_service_name);
    CHECK(ivshmem::service_directory{peers.at_a}.offer("clock") != 0); // no topic
    CHECK(not_created(peers.at_a, "large", {.size = 65536}) == errc::region_too_small);
    CHECK(not_created(peers.at_a, "x", {.size = 1ULL << 32U}) == std::errc::invalid_argument);
    CHECK(not_created(peers.at_a, "x", {.messages = 65537}) == std::errc::invalid_argument);
    std::map<int, topic_writer> more;
    for (int i = 1; i < 16; ++i)
        more[i] = topic_writer::create(peers.at_a, std::to_string(i), {.size = 64, .messages = 2});
    CHECK(not_created(peers.at_a, "one more", {.size = 64}) == errc::directory_full);
    listener in{peers.at_b, "15"};
    more[15].publish(bytes("x"));
    CHECK(in.next() == "x");
    more.erase(3);
    CHECK(topic_writer::create(peers.at_a, "one more", {.size = 64}).is_open());
    out.close();
    CHECK(topic_writer::create(peers.at_b, "clock").is_open());
}

TEST_CASE("a region without room behind its channels has no topics, by name") {
    // A section of 8192 bytes has 4096 behind the header, 3840 or 2560 of them for channels.
    two_holders peers{{2, GENERATE(3U, 2U), 1024}, std::size_t{2} * 8192};
    CHECK(not_created(peers.at_a, "x") == errc::topics_unsupported);
    std::error_code ec;
    CHECK_FALSE(topic_reader::open(peers.at_b, "x", {}, ec).is_open());
    CHECK(ec == errc::topics_unsupported);
    both_ends ends{peers}; // channels go on
    CHECK(ends.x.try_send(bytes("x")));
    CHECK(next(ends.y) == "x");
}

TEST_CASE("the smallest room for topics") {
    // Two rows and the table take 4224 bytes of a section, and 1024 must be left.
    two_holders peers{{2, 1, 1024}, std::size_t{2} * 12288};
    CHECK(topic_writer::create(peers.at_a, "x").is_open());
}

TEST_CASE("a closed reader and a closed writer fail by name") {
    two_holders peers;
    topic_reader in;
    topic_writer out;
    std::error_code ec;
    out.publish(bytes("x"), ec);
    CHECK(ec == errc::closed);
    CHECK(out.loan(1, ec).empty());
    CHECK(ec == errc::closed);
    CHECK(out.max_message() == 0);
    CHECK_FALSE(in.try_view(ec));
    CHECK(ec == errc::closed);
    in.reopen(ec);
    CHECK(ec == errc::closed);
    CHECK(in.update(ec) == topic_state::closed);
    CHECK(in.state() == topic_state::closed);
    CHECK_FALSE(in.arm());
    in.disarm();
    const slot none;
    CHECK(not_created(none, "x") == errc::closed);
    CHECK_FALSE(topic_reader::open(none, "x", {}, ec).is_open());
    CHECK(ec == errc::closed);
    auto made = topic_writer::create(peers.at_a, "x");
    listener reads{peers.at_b, "x"};
    peers.at_b.close();
    CHECK(reads.end() == errc::closed);
}
