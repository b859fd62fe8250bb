// Every command with its options and help, as CLI11 wants them. Only cli.cpp uses it.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "daemon/cli/cli.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/operate.hpp"

namespace pointsman {

/// Everything that the arguments can fill in.
struct Arguments {
  RunOptions run;
  CheckOptions check;
  ProbeOptions probe;
  SimulateOptions simulate;
  StatusOptions status;
  WhyOptions why;
  IncidentsOptions incidents;
  EventsOptions events;
  SwitchOptions switch_route;
  OperateOptions operate;
  std::string control;
};

/// run, check, probe, simulate: need no daemon.
void add_hooked(CLI::App& app, Arguments& to);
/// status, why, incidents, events.
void add_asking(CLI::App& app, Arguments& to);
/// switch, pause, resume, drain, undrain, flag, ack, approve, refuse, notify, reload.
void add_operating(CLI::App& app, Arguments& to);

}  // namespace pointsman
