#!/bin/sh
# Runs once beside Elasticsearch: gives Luytre a user that may do what docs/reference/elasticsearch.md lists, no more.
# Passwords come from files and go to files; none is in an argument.
set -eu
umask 077
url=https://elasticsearch:9200
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'machine elasticsearch login elastic password %s\n' "$(cat /run/secrets/elastic-password)" >"$work/netrc"
printf '{"password":"%s","roles":["luytre"]}' "$(cat /run/secrets/luytre-elastic-password)" >"$work/user.json"
put() {
  curl --silent --show-error --fail --retry 5 --cacert /run/secrets/ca.pem --netrc-file "$work/netrc" \
    --header 'Content-Type: application/json' --request PUT "$url/_security/$1/luytre" --data-binary "@$2" --output /dev/null
}
put role /etc/luytre/role.json
put user "$work/user.json"
