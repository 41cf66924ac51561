// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/header_search.hpp"

#include "channel/layout.hpp"

#include <algorithm>

namespace ivshmem {

namespace {

/// Divisions into more slots are found only by the header at the start of their region, except
/// these.
constexpr std::uint32_t most_slots_searched = 64;
constexpr std::uint32_t more_slots_searched[]{128, 256};

/// Regions start here unless all peers name another place.
constexpr std::uint64_t starts_in_memory = 16;

/// The largest memory that another peer may see. Larger numbers mean nothing.
constexpr std::uint64_t largest_memory = std::uint64_t{1} << 62U;

using offsets = std::vector<std::uint64_t>;

offsets sorted(offsets of) {
    std::sort(of.begin(), of.end());
    of.erase(std::unique(of.begin(), of.end()), of.end());
    return of;
}

class header_search {
  public:
    header_search(const shared_words& memory, std::uint64_t size,
                  const std::optional<division>& wanted)
        : memory_{memory}, size_{size}, wanted_{wanted} {}

    std::vector<found_header> all() {
        for (const std::uint64_t start : starts())
            if (!is_covered(start))
                look_at_start(start);
        for (const std::uint64_t offset : places())
            if (!is_covered(offset))
                look_at_place(offset);
        std::sort(found_.begin(), found_.end(),
                  [](const auto& a, const auto& b) { return a.offset < b.offset; });
        return std::move(found_);
    }

  private:
    /// Where a region may start.
    [[nodiscard]] offsets starts() const {
        offsets at{0};
        for (std::uint64_t start = layout::page; start < size_ && start != 0; start *= 2)
            at.push_back(start);
        for (std::uint64_t part = 1; part < starts_in_memory; ++part)
            at.push_back(size_ / starts_in_memory * part / layout::page * layout::page);
        if (wanted_)
            at.push_back(wanted_->region.offset);
        return sorted(std::move(at));
    }
    /// Where headers may be in a region whose start says nothing.
    [[nodiscard]] offsets places() const {
        offsets at;
        add_places(at, {0, size_});
        if (wanted_) {
            add_places(at, wanted_->region);
            add_sections(at, wanted_->region, wanted_->geometry.slots);
        }
        return sorted(std::move(at));
    }
    static void add_places(offsets& to, const memory_region& in) {
        for (std::uint32_t slots = 2; slots <= most_slots_searched; ++slots)
            add_sections(to, in, slots);
        for (const std::uint32_t slots : more_slots_searched)
            add_sections(to, in, slots);
    }
    static void add_sections(offsets& to, const memory_region& in, std::uint32_t slots) {
        const region_geometry smallest{slots, 1, 1024};
        if (!is_valid(smallest) || region_needed(smallest) > in.size)
            return;
        const division with = divided(in, smallest);
        for (std::uint32_t slot = 0; slot < slots; ++slot)
            to.push_back(with.begin_of(slot));
    }

    [[nodiscard]] bool is_covered(std::uint64_t offset) const {
        return std::any_of(covered_.begin(), covered_.end(), [offset](const memory_region& r) {
            return offset >= r.offset && offset - r.offset < r.size;
        });
    }
    /// The header at an offset, if its own words put it there.
    [[nodiscard]] std::optional<found_header> header_at(std::uint64_t offset) const {
        if (offset > size_ || size_ - offset < layout::header::size)
            return std::nullopt;
        const shared_words at = memory_.at(offset);
        if (at.load(layout::header::magic) != layout::magic)
            return std::nullopt;
        const bool held = at.look(layout::header::incarnation) != 0;
        const slot_header words{at, size_};
        const division& of = words.divides;
        const bool here = words.has_this_major()
                              ? of.is_possible_in(largest_memory) &&
                                    words.slot < of.geometry.slots &&
                                    words.agrees(divided(of.region, of.geometry), offset)
                              : of.section_size != 0 && of.section_size <= size_ &&
                                    of.begin_of(words.slot) == offset;
        if (!here)
            return std::nullopt;
        return found_header{offset, words, held,
                            words.has_this_major() && !of.is_possible_in(size_)};
    }
    /// The first header of a region says where the others are; all else in the region is data.
    void look_at_start(std::uint64_t start) {
        const auto first = header_at(start);
        if (!first || !first->words.has_this_major() || first->words.slot != 0)
            return;
        const division& of = first->words.divides;
        found_.push_back(*first);
        for (std::uint32_t slot = 1; slot < of.geometry.slots; ++slot)
            if (const auto header = header_at(of.begin_of(slot)))
                found_.push_back(*header);
        covered_.push_back(of.region);
    }
    void look_at_place(std::uint64_t offset) {
        const auto header = header_at(offset);
        if (!header || header->beyond)
            return;
        found_.push_back(*header);
        if (header->held)
            covered_.push_back({offset, header->words.divides.section_size});
    }

    const shared_words memory_;
    const std::uint64_t size_;
    const std::optional<division>& wanted_;
    std::vector<found_header> found_;
    std::vector<memory_region> covered_; ///< what is in there is known or is data
};

} // namespace

std::vector<found_header> find_headers(const shared_words& memory, std::uint64_t memory_size,
                                       const std::optional<division>& wanted) {
    return header_search{memory, memory_size, wanted}.all();
}

std::vector<found_header> find_sections(const shared_words& memory, std::uint64_t memory_size) {
    std::vector<found_header> sections;
    std::uint64_t end = 0;
    for (const found_header& header : find_headers(memory, memory_size, std::nullopt)) {
        if (!header.words.has_this_major() || header.offset < end)
            continue;
        sections.push_back(header);
        end = header.offset + header.words.divides.section_size;
    }
    return sections;
}

} // namespace ivshmem
