#!/bin/sh
# Does a running service refuse what it must? @ADDRESS@ is an address of it,
# @KEY@ a good key for that address.
failed=0
expect() {
  got=$(printf '%s\n' "$2" | curl --silent --max-time 10 --output /dev/null \
    --write-out '%{http_code}' --header @- "$@ADDRESS@")
  if [ "$got" = "$1" ]; then
    echo "ok     $got  $3"
  else
    echo "WRONG  $got  $3 (wanted $1)"
    failed=1
  fi
}
expect 401 "X-Nothing: presented" "no key"
expect 401 "Authorization: Bearer junk" "junk"
expect 401 "Authorization: Bearer ${@KEY@}A" "a damaged key"
expect 401 "Authorization: Basic $@KEY@" "another scheme"
expect 401 "X-Api-Key: $@KEY@" "a key in another header"
expect 200 "Authorization: Bearer $@KEY@" "a good key"
exit "$failed"
