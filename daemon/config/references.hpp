// ${env:NAME}, ${file:/path} and ${credential:name} in string values, replaced by what they name.
//
// What came from them is secret: the value is marked and never shown; messages show the reference
// as it was written. `$${` gives a plain `${`. A file's trailing newline is left out. Keys are not
// touched.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/findings.hpp"
#include "daemon/config/yaml_tree.hpp"

namespace pointsman {

/// With SecretUse::ignored what cannot be had becomes empty, is marked `unresolved`, and is no
/// error.
void replace_references(YamlNode& root, SecretUse secrets, Findings& findings);

}  // namespace pointsman
