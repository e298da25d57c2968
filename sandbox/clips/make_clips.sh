#!/usr/bin/env bash
# Makes each *.wav here from the *.txt beside it: our own sentences, spoken by the voice
# "rms" of flite. Needs Debian's packages flite and sox. Reworded a sentence? Run this,
# then tests/sandbox: PocketSphinx must get it with a word error rate of 0.25 or better.
# Those in terms/ were chosen, after three rounds, because a keyword list helps there.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for text in *.txt terms/*.txt; do
    name=${text%.txt}
    flite -voice rms -t "$(cat "$text")" -o "$work/spoken.wav"
    # Through a telephone: 8 kHz, mu-law, then back to what Twilio's files hold.
    # Without dither and with -R, so that the same text gives the same file.
    sox -R "$work/spoken.wav" -r 8000 -c 1 -e mu-law "$work/telephone.wav" norm -3
    sox -R -D "$work/telephone.wav" -b 16 -e signed-integer "$name.wav" pad 0.3 0.4
done
