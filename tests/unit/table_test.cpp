// The table of mechanisms: its rows are consistent, and the build has read them as the compiler does.
#include "links/mechanism.hpp"

#include <filesystem>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "links/system.hpp"

namespace sluice::links {
namespace {

std::set<std::string> words(std::string_view text) {
  std::istringstream stream{std::string{text}};
  std::set<std::string> found;
  for (std::string word; stream >> word;) found.insert(word);
  return found;
}

TEST(TableOfMechanisms, NamesAreUniqueAndFound) {
  std::set<std::string_view> names;
  for (const Row& row : table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(find_row(row.name), &row) << row.name;
  }
  EXPECT_EQ(find_row("no-such-mechanism"), nullptr);
  EXPECT_EQ(find_row(""), nullptr);
}

TEST(TableOfMechanisms, EveryRowNamesSystemsThatExist) {
  const std::set<std::string> systems{"linux", "macos", "windows"};
  for (const Row& row : table()) {
    EXPECT_FALSE(words(row.systems).empty()) << row.name;
    for (const auto& system : words(row.systems)) EXPECT_TRUE(systems.contains(system)) << row.name << ": " << system;
  }
}

TEST(TableOfMechanisms, PromisesAgreeWithMeetingAndReach) {
  for (const Row& row : table()) {
    EXPECT_EQ(row.promised.lobby, row.meet == Meet::lobby) << row.name;
    EXPECT_EQ(row.promised.one_process, row.reach == Reach::this_process) << row.name;
    EXPECT_FALSE(row.link.empty()) << row.name;
    EXPECT_FALSE(row.where.empty()) << row.name;
  }
}

// What is built in stands in the table for this system, and can name a place for its probe.
TEST(TableOfMechanisms, FactoriesBelongToRowsOfThisSystem) {
  for (const Row& row : table()) {
    const Mechanism* mechanism = find_mechanism(row.name);
    if (mechanism == nullptr) continue;
    EXPECT_TRUE(words(row.systems).contains(std::string{this_system()})) << row.name;
    EXPECT_EQ(mechanism->probe_where("x1").empty(), row.meet == Meet::inherited) << row.name;
  }
  EXPECT_EQ(find_mechanism("no-such-mechanism"), nullptr);
}

// No mechanism falls out of the build unnoticed: what is written for this system has a factory. What is written for others only
// is listed in cmake/mechanisms.cmake.
TEST(TableOfMechanisms, EveryWrittenMechanismOfThisSystemIsBuiltIn) {
  const std::filesystem::path folder = SLUICE_MECHANISMS_FOLDER;
  ASSERT_TRUE(std::filesystem::exists(folder / "table.cpp")) << folder;
  for (const Row& row : table()) {
    const bool is_written = std::filesystem::exists(folder / (std::string{row.name} + ".cpp"));
    const bool is_ours = words(row.systems).contains(std::string{this_system()}) &&
                         !words(SLUICE_UNWRITTEN_MECHANISMS).contains(std::string{row.name});
    EXPECT_EQ(find_mechanism(row.name) != nullptr, is_written && is_ours) << row.name;
  }
  // And what is written has a row: NAME.cpp by its name, NAME_part.cpp by what stands before the underscore.
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    if (stem == "table" || entry.path().extension() != ".cpp") continue;
    EXPECT_NE(find_row(stem.substr(0, stem.find('_'))), nullptr) << entry.path();
  }
}

}  // namespace
}  // namespace sluice::links
