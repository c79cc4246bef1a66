// Numbers that belong to a dtype.
#pragma once
#include "views.hpp"

namespace coupled_nmf {

// `smallest`: what falls below becomes zero, as it would a few iterations later: numbers that small are slow on many
// processors. `lowest`: what F H is at least, as a divisor.
template <class T>
struct Numbers;

template <>
struct Numbers<float> {
  static constexpr float smallest = 1e-37f, lowest = 1e-20f;
};

template <>
struct Numbers<double> {
  static constexpr double smallest = 1e-300, lowest = 1e-150;
};

constexpr double LARGE = 1e30;  // what divides by zero is multiplied by, where an L1 penalty is left
constexpr Index PANEL = 96;     // rows: whole vectors of any width, and whole strips of six of them

}  // namespace coupled_nmf
