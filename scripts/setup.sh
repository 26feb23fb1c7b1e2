#!/bin/sh
# Installs the pinned dependencies and the pinned Node that comes with them. Says what to do where that is not possible.
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.plumb-setup
node=node_modules/node/bin/node
if [ -x "$node" ] && [ -f "$stamp" ] && cmp -s package-lock.json "$stamp"; then exit 0; fi
command -v npm >/dev/null || { echo 'Cannot install as npm is missing: install Node 18 or newer with npm (Debian: apt-get install npm)' >&2; exit 1; }
command -v git >/dev/null || { echo 'Cannot install as git is missing (Debian: apt-get install git)' >&2; exit 1; }
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || { echo "Cannot install as Node $(node -v) is too old: install Node 18 or newer" >&2; exit 1; }
echo 'Installing the pinned dependencies (npm ci)'
npm ci --no-fund --no-audit --loglevel=error
if [ ! -x "$node" ]; then
  # Install scripts are off here: the platform package ships the same binary without one.
  version=$(sed -n 's/.*"node": "\([0-9.]*\)".*/\1/p' package.json | tail -n 1)
  arch=$(uname -m); case "$arch" in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; esac
  package="node-$(uname -s | tr '[:upper:]' '[:lower:]')-$arch"
  echo "Install scripts are off: taking the platform package $package@$version"
  npm install --no-save --no-package-lock --ignore-scripts --loglevel=error --prefix node_modules/.plumb-node "$package@$version" ||
    { echo "Cannot get Node $version: allow the install script of the package \"node\" (npm install-scripts approve node), or install Node 24 yourself" >&2; exit 1; }
  mkdir -p node_modules/node/bin
  mv "node_modules/.plumb-node/node_modules/$package/bin/node" "$node"
  rm -rf node_modules/.plumb-node
fi
cp package-lock.json "$stamp"
