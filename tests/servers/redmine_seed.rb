# SPDX-License-Identifier: GPL-3.0-or-later
# Fills an empty Redmine for the tests and prints, as one line of JSON, the ids that settings need.
require 'json'

ActiveRecord::Migration.verbose = false
ActiveRecord::Base.connection.migration_context.migrate
ActiveRecord::Base.connection.schema_cache.clear!
ActiveRecord::Base.descendants.each(&:reset_column_information)
Redmine::DefaultData::Loader.load('en') if Redmine::DefaultData::Loader.no_data?
Setting.rest_api_enabled = '1'
Setting.login_required = '0'
Setting.notified_events = []

def user(login)
  person = User.new(firstname: login, lastname: 'Test', mail: "#{login}@storewarden.invalid", language: 'en')
  person.login = login
  person.password = person.password_confirmation = SecureRandom.hex(16)
  person.save!
  person
end

tracker = Tracker.create!(name: 'Change', default_status: IssueStatus.find_by!(name: 'New'))
role = Role.create!(
  name: 'Mirror', assignable: true, issues_visibility: 'all',
  permissions: %i[view_issues add_issues edit_issues add_issue_notes view_files]
)
# Straight to Closed is allowed, to Rejected it is not: the adapter must see the difference.
names = IssueStatus.all.index_by(&:name)
[['New', 'Closed'], ['New', 'In Progress'], ['In Progress', 'Closed'], ['Closed', 'In Progress']].each do |from, to|
  WorkflowTransition.create!(role: role, tracker: tracker, old_status: names[from], new_status: names[to])
end

project = Project.new(name: 'Changes', identifier: 'changes', is_public: true)
project.enabled_module_names = %w[issue_tracking]
project.trackers = [tracker]
project.save!

def field(name, format, tracker, **other)
  made = IssueCustomField.new(name: name, field_format: format, is_for_all: true, is_filter: true, **other)
  made.trackers = [tracker]
  made.save!
  made.id
end

ids = {
  run: field('Run ID', 'string', tracker),
  risk: field('Risk', 'list', tracker, possible_values: %w[Low Medium High]),
  hosts: field('Hosts', 'text', tracker),
  blind: field('Not a filter', 'string', tracker).tap { |id| IssueCustomField.find(id).update!(is_filter: false) },
}
ours = user('storewarden')
Member.create!(project: project, user: ours, roles: [role])
puts JSON.generate(
  key: ours.api_key, project: project.identifier, tracker: tracker.id, fields: ids,
  closed: names['Closed'].id, rejected: names['Rejected'].id
)
