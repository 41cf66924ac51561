/* SPDX-License-Identifier: BSL-1.0
 * SPDX-FileCopyrightText: The libivshmem authors
 *
 * An acceptor (include/ivshmem/detail/half_open_channels.hpp) and two peers that ask for its service, each on
 * LANES lanes: one that connects, after it has left a request behind that it never completes; and one that asks, and
 * asks again, and never completes anything. Each peer may have one channel half open. A request that has to wait
 * is looked at again after a time, when the oldest of its peer loses its place. That time is longer than a peer needs
 * to look and to answer.
 *
 * ASKS   how often the second peer writes its words
 * LEFT   the requests that the first peer leaves behind
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define RULE(n) (MUTATION != n)

#define BAD 0
#define GOOD 1
#define ALL (2 * LANES)
#define OWNER(i) ((i) / LANES)

/* The words of lane i of peer OWNER(i): those that the peer writes, and those that the acceptor writes. */
byte asked[ALL], answered[ALL];    /* the peer's epoch, and its acknowledgement */
byte opened[ALL], accepted[ALL];   /* the acceptor's */
bit bell, bellOfGood;
bit connected;                     /* the first peer sees that its last request was met */
bit taken;                         /* the acceptor has handed out the channel of that request */

/* The acceptor's own. */
byte places[2];                    /* channels that are half open */
bit half[ALL];                     /* the lane has one */
byte served[ALL];                  /* the epoch of a request that was met */

#define MINE (LANES + LEFT) /* the lane on which the first peer connects */
#define PLACES (RULE(1) -> places[OWNER(i)] : places[GOOD] + places[BAD])
#define WANTED(i) (!half[i] && asked[i] != 0 && asked[i] != served[i])

/* A channel loses its place. */
inline close(lane) {
  places[OWNER(lane)]--;
  half[lane] = 0;
  opened[lane] = 0;
  accepted[lane] = 0
}

/* Opens lane i with an epoch that the peer has not acknowledged, and acknowledges the request. */
inline open() {
  places[OWNER(i)]++;
  half[i] = 1;
  opened[i] = (answered[i] == 1 -> 2 : 1);
  accepted[i] = asked[i];
  if
  :: RULE(4) && OWNER(i) == GOOD -> bellOfGood = 1
  :: else
  fi
}

/* A channel of the peer of lane i, the oldest, loses its place. */
inline evict() {
  for (j : 0 .. ALL - 1) {
    if
    :: OWNER(j) == OWNER(i) && half[j] && places[OWNER(i)] == 1 -> close(j)
    :: else
    fi
  }
  j = 0
}

active proctype Acceptor() {
  byte i, j, n, next;
  bit waits, late[2];
end:
idle:
  if
  :: d_step { bell -> bell = 0; late[GOOD] = 0; late[BAD] = 0 }
  :: d_step { waits && RULE(3) && !bell && !bellOfGood -> late[GOOD] = 1; late[BAD] = 1 } /* the time is over */
  fi;
  waits = 0;
  /* The search for requests continues after the last one that was found. */
  n = 0;
  do
  :: n == ALL -> break
  :: else ->
    d_step {
      i = next;
      if
      :: WANTED(i) ->
        if
        :: PLACES >= 1 && late[OWNER(i)] && RULE(2) -> evict(); late[OWNER(i)] = 0
        :: else
        fi;
        if
        :: PLACES < 1 -> open()
        :: else -> waits = 1
        fi
      :: else
      fi;
      next = (next + 1) % ALL;
      n++;
      i = 0
    }
  od;
  n = 0;
  /* Continue the channels that are half open. */
  do
  :: n == ALL -> break
  :: else ->
    if
    :: d_step { half[n] && asked[n] != accepted[n] -> accepted[n] = asked[n] }; /* it started again */
      if :: OWNER(n) == GOOD -> bellOfGood = 1 :: else fi
    :: else
    fi;
    if
    :: d_step { half[n] && asked[n] == 0 -> close(n) }
    :: d_step {
         half[n] && asked[n] != 0 && answered[n] == opened[n] && asked[n] == accepted[n] ->
         assert(OWNER(n) == GOOD); /* no other one has acknowledged */
         served[n] = asked[n];
         places[OWNER(n)]--;
         half[n] = 0;
         taken = (n == MINE && asked[n] == 2 -> 1 : taken)
       }
    :: else
    fi;
    n++
  od;
  n = 0;
  goto idle
}

/* Leaves requests behind on its first lanes, and connects on the next, perhaps at the second attempt. */
active proctype Good() {
  byte i;
  do
  :: i == LEFT -> break
  :: else -> asked[LANES + i] = 1; bell = 1; i++
  od;
  if
  :: asked[MINE] = 3; bell = 1
  :: skip
  fi;
  asked[MINE] = 2;
  bell = 1;
end:
  do
  :: d_step {
       bellOfGood ->
       bellOfGood = 0;
       if
       :: opened[MINE] != 0 && answered[MINE] != opened[MINE] -> answered[MINE] = opened[MINE]; bell = 1
       :: else
       fi;
       connected = (accepted[MINE] == 2 && answered[MINE] != 0 && answered[MINE] == opened[MINE])
     }
  od
}

active proctype Bad() {
  byte asks = ASKS, lane, epoch = 1;
  do
  :: asks > 0 ->
    select(lane : 0 .. LANES - 1);
    if
    :: epoch++; asked[lane] = epoch
    :: asked[lane] = 0
    fi;
    if
    :: bell = 1
    :: skip
    fi;
    asks--;
    lane = 0
  :: asks == 0 -> break
  od
}

ltl { <> (connected && taken) }
