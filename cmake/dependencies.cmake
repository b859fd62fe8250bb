# What the program is built from, all of it from Debian 12. A missing one ends the configuration with
# the package to install; all that are missing are named at once.

find_package(PkgConfig QUIET)
find_package(Threads REQUIRED)
set(pointsman_missing "")

macro(pointsman_need condition package)
  if(NOT (${condition}))
    list(APPEND pointsman_missing ${package})
  endif()
endmacro()

find_package(Boost 1.81 QUIET COMPONENTS json url)
if(NOT Boost_FOUND)
  list(APPEND pointsman_missing libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev)
  if(EXISTS /usr/include/boost/version.hpp)
    file(STRINGS /usr/include/boost/version.hpp pointsman_boost REGEX "define BOOST_LIB_VERSION")
    if(pointsman_boost MATCHES "1_74")
      message(NOTICE
        "Boost 1.74 is installed. Debian's libboost1.81-dev conflicts with libboost1.74-dev, so that\n"
        "installing it REMOVES libboost1.74-dev and what depends on it. See what would go with\n"
        "  apt-get install --simulate libboost1.81-dev\n"
        "and decide yourself; nothing is removed for you.")
    endif()
  endif()
endif()

find_package(OpenSSL 3 QUIET)
pointsman_need(OpenSSL_FOUND libssl-dev)
find_package(fmt QUIET)
pointsman_need(fmt_FOUND libfmt-dev)
find_package(spdlog QUIET)
pointsman_need(spdlog_FOUND libspdlog-dev)
find_package(yaml-cpp QUIET)
pointsman_need(yaml-cpp_FOUND libyaml-cpp-dev)
find_package(CLI11 QUIET)
pointsman_need(CLI11_FOUND libcli11-dev)
find_package(date QUIET)
pointsman_need(date_FOUND libhowardhinnant-date-dev)
find_package(prometheus-cpp CONFIG QUIET COMPONENTS core)
pointsman_need(prometheus-cpp_FOUND prometheus-cpp-dev)

if(PkgConfig_FOUND)
  pkg_check_modules(pq QUIET IMPORTED_TARGET libpq)
  pkg_check_modules(hiredis QUIET IMPORTED_TARGET hiredis)
  pkg_check_modules(sqlite3 QUIET IMPORTED_TARGET sqlite3)
  pkg_check_modules(systemd QUIET IMPORTED_TARGET libsystemd)
  pointsman_need(pq_FOUND libpq-dev)
  pointsman_need(hiredis_FOUND libhiredis-dev)
  pointsman_need(sqlite3_FOUND libsqlite3-dev)
  pointsman_need(systemd_FOUND libsystemd-dev)
else()
  list(APPEND pointsman_missing pkg-config libpq-dev libhiredis-dev libsqlite3-dev libsystemd-dev)
endif()

if(POINTSMAN_TESTS)
  find_package(Catch2 2.13 QUIET)
  pointsman_need(Catch2_FOUND catch2)
  find_package(rapidcheck QUIET)
  pointsman_need(rapidcheck_FOUND librapidcheck-dev)
endif()

if(pointsman_missing)
  list(REMOVE_DUPLICATES pointsman_missing)
  list(JOIN pointsman_missing " " pointsman_missing)
  message(FATAL_ERROR "Not found. Install them with:\n  apt-get install ${pointsman_missing}\n")
endif()
