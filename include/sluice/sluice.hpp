// Sluice: one message channel over every native IPC mechanism. This header includes all others.
#pragma once

#include <sluice/channel.hpp>
#include <sluice/deadline.hpp>
#include <sluice/error.hpp>
#include <sluice/export.hpp>
#include <sluice/handle.hpp>
#include <sluice/loan.hpp>
#include <sluice/mechanisms.hpp>
#include <sluice/message.hpp>
#include <sluice/options.hpp>
#include <sluice/process.hpp>
#include <sluice/result.hpp>
#include <sluice/version.hpp>
#include <sluice/wait_set.hpp>
#include <sluice/waitable.hpp>
