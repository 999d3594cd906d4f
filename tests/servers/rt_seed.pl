# SPDX-License-Identifier: GPL-3.0-or-later
# Fills an empty RT for the tests and prints the token of its user.
use strict;
use warnings;
use lib '/usr/share/request-tracker5/lib';
use RT;

RT::LoadConfig();
RT::Init();
require RT::AuthToken;

sub made {
    my ($object, %values) = @_;
    my ($id, $said) = $object->Create(%values);
    die ref($object) . ": $said\n" unless $id;
    return $object;
}

my $system = RT->SystemUser;
my $queue = made(RT::Queue->new($system), Name => 'Changes', Description => 'Changes');
for my $field (
    [ 'RunID', 'Freeform', [] ],
    [ 'Risk',  'Select',   [ map { { Name => $_ } } qw(Low Medium High) ] ],
    [ 'Hosts', 'Text',     [] ],
) {
    my ($name, $type, $values) = @$field;
    my $made = made(
        RT::CustomField->new($system),
        Name => $name, Type => $type, MaxValues => 1, LookupType => RT::Ticket->CustomFieldLookupType,
    );
    $made->AddValue(%$_) for @$values;
    $made->AddToObject($queue);
}

my $user = made(RT::User->new($system), Name => 'storewarden', Privileged => 1);
for my $right (qw(SeeQueue CreateTicket ShowTicket ShowTicketComments CommentOnTicket ModifyTicket
    SeeCustomField ModifyCustomField SetInitialCustomField)) {
    my ($ok, $said) = $user->PrincipalObj->GrantRight(Right => $right, Object => $queue);
    die "$right: $said\n" unless $ok;
}
my ($ok, $said, $token)
    = RT::AuthToken->new($system)->Create(Owner => $user->id, Description => 'tests');
die "token: $said\n" unless $ok;
print "token=$token\n";
