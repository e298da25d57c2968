#!/usr/bin/env bash
# Makes each *.wav in this folder from its *.txt. The sentences are our own. The voice
# "rms" of flite speaks them. Needs Debian's packages flite and sox. Run this after you
# change a sentence, then run tests/sandbox: the word error rate of PocketSphinx must be
# at most 0.25. The sentences in terms/ were chosen because a keyword list helps there.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for text in *.txt terms/*.txt; do
    name=${text%.txt}
    flite -voice rms -t "$(cat "$text")" -o "$work/spoken.wav"
    # Reduce to telephone quality (8 kHz, mu-law), in the format of Twilio's files. No
    # dither, and -R, so that the same text always gives the same file.
    sox -R "$work/spoken.wav" -r 8000 -c 1 -e mu-law "$work/telephone.wav" norm -3
    sox -R -D "$work/telephone.wav" -b 16 -e signed-integer "$name.wav" pad 0.3 0.4
done
