#!/bin/sh
# Verifies a file of evidence without drillyard: OpenSSL 3 does the cryptography, and the rest is
# what every system has.
#
#   sh verify-evidence.sh FILE PUB.pem [DIGEST]
#
# FILE has one statement a line; PUB.pem is the public key. DIGEST is that of a statement that was
# written down earlier, and must be there still. docs/evidence.md says what is verified, and how.
# Exit status: 0 everything is as it was signed; 1 something is not; 2 wrong usage.
set -eu
LC_ALL=C
export LC_ALL

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  echo "usage: sh verify-evidence.sh FILE PUB.pem [DIGEST]" >&2
  exit 2
fi
file=$1 key=$2 wanted=${3:-}
for needed in "$file" "$key"; do
  if [ ! -r "$needed" ]; then
    echo "$needed cannot be read" >&2
    exit 2
  fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sha256() {
  openssl dgst -sha256 -r | cut -d' ' -f1
}

# Which key this is: the SHA-256 of its DER form.
if ! openssl pkey -pubin -in "$key" -outform DER -out "$work/key" 2>/dev/null; then
  echo "$key is no public key in PEM" >&2
  exit 2
fi
id=$(sha256 <"$work/key")

bad=0
at=0
wrong() {
  echo "$file:$at: $1"
  bad=$((bad + 1))
}

# There is one way to write an envelope. Whatever does not fit it has bytes that nobody signed.
form='^\{"payloadType":"application/vnd\.in-toto\+json","payload":"[A-Za-z0-9+/]+=*","signatures":\[\{"keyid":"[0-9a-f]{64}","sig":"[A-Za-z0-9+/]+=*"\}\]\}$'
grep -a -n -v -E "$form" "$file" | cut -d: -f1 >"$work/other" || true

# Sets payload and signature of a line as files. Fails if they are not base64 as OpenSSL writes it.
take_apart() {
  payload=$(printf %s "$1" | cut -d'"' -f8)
  keyid=$(printf %s "$1" | cut -d'"' -f14)
  sig=$(printf %s "$1" | cut -d'"' -f18)
  printf %s "$payload" | openssl base64 -d -A >"$work/payload"
  printf %s "$sig" | openssl base64 -d -A >"$work/sig"
  [ "$(openssl base64 -A <"$work/payload")" = "$payload" ] && [ "$(openssl base64 -A <"$work/sig")" = "$sig" ]
}

# Whether the signature is that of the payload: DSSE signs its type and its length with it.
is_signed() {
  {
    printf 'DSSEv1 28 application/vnd.in-toto+json %s ' "$(($(wc -c <"$work/payload")))"
    cat "$work/payload"
  } >"$work/signed"
  openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$work/signed" -sigfile "$work/sig" >/dev/null 2>&1
}

# The chain: number and digest of the line before; no digest if that line cannot be believed.
number=0 digest=null newest=
there=no
while IFS= read -r line || [ -n "$line" ]; do
  at=$((at + 1))
  own=$(printf %s "$line" | sha256)
  [ "$own" != "$wanted" ] || there=yes
  expected=$((number + 1))
  number=$expected
  before=$digest
  digest=unknown newest=
  if grep -q -x "$at" "$work/other" || ! take_apart "$line"; then
    wrong "it is no signed statement: it was changed, or something else wrote it"
    continue
  fi
  if ! is_signed; then
    if [ "$keyid" = "$id" ]; then
      wrong "its signature is not that of its content: it was changed after it was signed"
    else
      wrong "it was signed with another key: $keyid; the key that was given is $id"
    fi
    continue
  fi
  if [ "$keyid" != "$id" ]; then
    wrong "the name of its key was changed after it was signed"
    continue
  fi
  # A quote within a text is never without a backslash, so that this is found only where it stands.
  rest=$(sed -n 's/.*,"predicateType":"https:..drillyard.dev.evidence.v1","predicate":{"number":\([0-9].\{0,300\}\).*/\1/p' "$work/payload")
  if [ -z "$rest" ]; then
    wrong "it is signed, and no statement that this script knows"
    continue
  fi
  found=${rest%%,*}
  rest=${rest#*,'"previous":'}
  previous=${rest%%,*} previous=${previous#\"} previous=${previous%\"}
  rest=${rest#*,'"missing":'}
  if [ "$found" -gt "$expected" ]; then
    wrong "it is statement number $found: $((found - expected)) before it, from number $expected on, were removed"
  elif [ "$found" -lt "$expected" ]; then
    wrong "it is statement number $found where number $expected should be: lines were moved, repeated or put in"
  elif [ "$before" != unknown ] && [ "$previous" != "$before" ]; then
    wrong "it does not continue the line before it: that one was put in the place of another"
  fi
  case $rest in
    null,*) ;;
    *) wrong "when it was written, the newest statements were not there any more: they were removed" ;;
  esac
  number=$found digest=$own newest=$own
done <"$file"

[ "$at" -gt 0 ] || {
  at=1
  wrong "there is no statement: no run has ended yet, or all of them were removed"
}
if [ -s "$file" ] && [ "$(tail -c 1 "$file" | wc -l)" -ne 1 ]; then
  wrong "it has no end: a run died while it wrote it, or its end was cut off"
fi
if [ -n "$wanted" ] && [ "$there" = no ]; then
  echo "$file: the statement $wanted is not there: it was changed, or the newest statements were removed"
  bad=$((bad + 1))
fi
if [ "$bad" -gt 0 ]; then
  echo "$file: NOT verified"
  exit 1
fi
echo "$file: verified: $at statements, signed with $id"
echo "the newest is number $number: ${newest:-there is none}"
