# A small repository with a big file: commit, branch, merge, repack, check, clone.
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
git -c init.defaultBranch=main init --quiet repository
cd repository
seq 1 600000 >big
for i in {1..200}; do echo "file $i" >"file$i"; done
git add .
git commit --quiet -m first
git checkout --quiet -b side
seq 2 600001 >big
git commit --quiet -a -m second
git checkout --quiet main
echo more >>file7
git commit --quiet -a -m third
git merge --quiet -m merged side
git -c gc.autoDetach=false gc --quiet --aggressive
git fsck --full --strict 2>&1
git log --format='%H %s' --graph
git diff --stat HEAD~1
cd ..
git clone --quiet --no-local repository copy
git -C copy rev-parse HEAD 'HEAD^{tree}'
git -C copy checkout --quiet no-such-branch || exit 3
