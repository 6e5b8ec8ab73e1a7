#pragma once
#include <map>
#include <string>

namespace tally::onnx {

/// Where an exporter says that a node belongs: by metadata_props `pkg.torch.onnx.name_scopes`
/// ("['', 'features', 'features.0', 'conv2d']") or `namespace` (": Net/features: Sequential/features.0: Conv2d/…"),
/// whose last part is the node itself, else by a node name that reads as a path ("/features/features.0/Conv"). All
/// three give "/features/features.0" here; empty where nothing is said.
std::string scope_of(const std::string& node_name, const std::map<std::string, std::string>& metadata);

/// A path with its leading slash.
std::string as_scope(const std::string& path);

}  // namespace tally::onnx
