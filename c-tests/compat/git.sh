# git: a generated repository of thousands of commits and files, repacked by threads, checked, cloned, blamed.
source "${BASH_SOURCE[0]%/*}/common.sh"

version() { git --version | awk '{ print $3 }'; }

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'

# A stream for fast-import: every commit changes a few of many files; some are large, some lines move.
history() {
    awk -v commits=$((1500 * SCALE)) 'BEGIN {
        for (i = 0; i < 400; i++) filler = filler sprintf("line %d of the filler, %x\n", i, i * 2654435761 % 4294967296)
        for (c = 1; c <= commits; c++) {
            printf "commit refs/heads/%s\nmark :%d\ncommitter a <a@b> %d +0000\n", c % 9 ? "main" : "side", c, 1.6e9 + c * 60
            message = sprintf("commit %d\n", c)
            printf "data %d\n%s", length(message), message
            if (c == 1 || c == 9) { if (c == 9) print "from :1" }
            if (c % 63 == 62) printf "merge :%d\n", c - c % 9
            for (f = 0; f < 4; f++) {
                name = (c * 7919 + f * 104729) % 6000
                body = sprintf("file %d commit %d\n%s", name, c, substr(filler, 1 + c % 97 * 30, 500 + (c * f) % 9000))
                printf "M 100644 inline d%d/e%d/f%d.txt\ndata %d\n%s\n", name % 40, name % 7, name, length(body), body
            }
            if (c % 100 == 0) {
                body = ""
                for (k = 0; k < 60; k++) body = body substr(filler, k + 1) c
                printf "M 100644 inline big.bin\ndata %d\n%s\n", length(body), body
            }
            # A file with a long history, for blame.
            body = ""
            for (k = 0; k < 200; k++) body = body sprintf("line %d was last changed in %d\n", k, c - (c + k * 31) % 200)
            printf "M 100644 inline history.txt\ndata %d\n%s\n", length(body), body
        }
    }'
}

run() {
    tracked git -c init.defaultBranch=main init --quiet repository
    history | tracked git -C repository fast-import --quiet >/dev/null
    cd repository
    tracked git rev-parse main side
    tracked git -c pack.threads=4 -c gc.autoDetach=false gc --quiet --aggressive --prune=now
    tracked git fsck --full --strict --no-progress 2>&1
    # Which deltas threads find differs; what is stored does not.
    tracked git cat-file --batch-all-objects --batch-check --unordered | sort | digest
    tracked git verify-pack -v .git/objects/pack/*.idx | grep -c -E '(commit|tree|blob)'
    tracked git log --all --stat --format='%H %an %s' | digest
    tracked git log -p -n 300 --no-merges | digest
    tracked git blame main -- history.txt | digest
    tracked git grep -c -i 'FILLER, 9' main | digest
    tracked git -c pack.threads=4 repack -a -d -f -q --window=50
    tracked git commit-graph write --no-progress
    cd ..
    tracked git clone --quiet --no-local repository clone
    tracked git clone --quiet --bare --depth 50 "file://$PWD/repository" shallow
    tracked git -C shallow fsck --no-progress
    tracked git -C clone rev-parse HEAD 'HEAD^{tree}'
    cd clone
    tracked git ls-files | wc -l
    tracked git merge-base origin/main origin/side
    tracked git -c user.name=a -c user.email=a@b merge --quiet -X ours -m merged origin/side
    tracked git diff --stat HEAD~1 | digest
    tracked git archive HEAD | digest
    tracked git bundle create --quiet ../bundle --all
    tracked git bundle verify --quiet ../bundle
    tracked git status --short | wc -l
}

"$@"
